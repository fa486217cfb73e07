import { isJsonObject, type JsonObject } from '../../../core/api/index.js';

/** Nesting that nobody writes by hand; beyond it a schema is not sent as one. */
const MAX_DEPTH = 100;
/** Steps through nodes and references together. */
const MAX_WALK_DEPTH = 1000;

/** Keywords whose value is a schema. */
const SCHEMA_KEYWORDS: ReadonlySet<string> = new Set(['items', 'additionalProperties', 'contains', 'propertyNames']);
/** Whose value is a list of schemas. */
const LIST_KEYWORDS: ReadonlySet<string> = new Set(['anyOf', 'allOf', 'oneOf', 'prefixItems']);
/** Whose value names schemas. */
const MAP_KEYWORDS: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'patternProperties']);
/** Constraints that Anthropic's structured outputs refuse: they are said in the description instead. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'if',
  'then',
  'else',
  'not',
]);
const LOOK_AROUND = /\(\?<?[=!]/;

/**
 * The schema as Anthropic's structured outputs take it: objects closed, constraints that are not supported moved into the
 * description of their node. Undefined for schemas that they cannot take at all: recursive or nested without measure.
 */
export function toOutputSchema(schema: JsonObject): JsonObject | undefined {
  if (isTooDeep(schema, MAX_DEPTH) || isRecursive(schema)) return undefined;
  return cleanNode(schema);
}

function cleanNode(node: JsonObject): JsonObject {
  const cleaned: JsonObject = {};
  const said: string[] = [];
  for (const [keyword, value] of Object.entries(node)) {
    if (isUnsupported(keyword, value)) said.push(`${keyword}: ${JSON.stringify(value)}`);
    else cleaned[keyword] = cleanValue(keyword, value);
  }
  if (cleaned.additionalProperties === undefined && isObjectSchema(cleaned)) cleaned.additionalProperties = false;
  if (said.length > 0) {
    const constraints = `(${said.join(', ')})`;
    const { description } = cleaned;
    cleaned.description = typeof description === 'string' ? `${description} ${constraints}` : constraints;
  }
  return cleaned;
}

function cleanValue(keyword: string, value: unknown): unknown {
  if (SCHEMA_KEYWORDS.has(keyword)) return cleanIfObject(value);
  if (LIST_KEYWORDS.has(keyword) && Array.isArray(value)) return value.map(cleanIfObject);
  if (MAP_KEYWORDS.has(keyword) && isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, cleanIfObject(schema)]));
  }
  return value;
}

function cleanIfObject(value: unknown): unknown {
  return isJsonObject(value) ? cleanNode(value) : value;
}

function isUnsupported(keyword: string, value: unknown): boolean {
  if (keyword === 'minItems') return typeof value === 'number' && value > 1;
  if (keyword === 'pattern') return typeof value === 'string' && LOOK_AROUND.test(value);
  return UNSUPPORTED.has(keyword);
}

function isObjectSchema({ type, properties }: JsonObject): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || isJsonObject(properties);
}

function isTooDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((inner) => isTooDeep(inner, depth - 1));
}

/** Whether a `$ref` leads, by way of others, into the schema that it stands in. */
function isRecursive(root: JsonObject): boolean {
  const open = new Set<unknown>();
  const done = new Set<unknown>();
  const visit = (node: unknown): boolean => {
    if (typeof node !== 'object' || node === null || done.has(node)) return false;
    if (open.has(node) || open.size > MAX_WALK_DEPTH) return true;
    open.add(node);
    const ref = (node as JsonObject).$ref;
    const recursive =
      (typeof ref === 'string' && ref.startsWith('#') && visit(resolvePointer(root, ref))) ||
      Object.entries(node).some(([keyword, value]) => keyword !== '$defs' && keyword !== 'definitions' && visit(value));
    open.delete(node);
    done.add(node);
    return recursive;
  };
  return visit(root);
}

/** What a JSON pointer in a URL fragment (RFC 6901 §6) points to; undefined when there is nothing. */
function resolvePointer(root: JsonObject, ref: string): unknown {
  let node: unknown = root;
  for (const step of ref.slice(1).split('/').slice(1)) {
    if (typeof node !== 'object' || node === null) return undefined;
    node = (node as JsonObject)[step.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return node;
}
