import { isJsonObject, type JsonObject } from '../../../core/api/index.js';
import { SchemaExpander } from './schema-expander.js';

/** What a schema is for: numbers in an `enum` are kept as texts only in answers. */
export type SchemaUse = 'parameters' | 'response';

/** Fields of Google's `Schema`. */
const KEPT: ReadonlySet<string> = new Set([
  'type',
  'format',
  'title',
  'description',
  'nullable',
  'enum',
  'items',
  'minItems',
  'maxItems',
  'properties',
  'required',
  'propertyOrdering',
  'anyOf',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'pattern',
  'default',
  'minProperties',
  'maxProperties',
  'example',
]);
const FORMATS: ReadonlySet<unknown> = new Set(['date-time', 'enum', 'int32', 'int64', 'float', 'double']);

/** Nodes of one result: references may unfold without end, or double with each level. */
const MAX_NODES = 5000;
const MAX_DEPTH = 64;

/**
 * A JSON Schema in the subset of OpenAPI that Gemini takes: references inlined (a cycle becomes an object of any kind),
 * `allOf` merged, `oneOf` as `anyOf`, null branches as `nullable`, everything else that it does not know removed. Pure; cleaning
 * twice changes nothing. What is larger than 5000 nodes or deeper than 64 is cut off by objects of any kind.
 */
export function cleanSchema(schema: JsonObject, use: SchemaUse): JsonObject {
  return new SchemaCleaner(schema, use).clean(schema, [], 0);
}

class SchemaCleaner {
  readonly #expander: SchemaExpander;
  readonly #use: SchemaUse;
  #nodes = 0;

  constructor(root: JsonObject, use: SchemaUse) {
    this.#expander = new SchemaExpander(root);
    this.#use = use;
  }

  /** `within`: references that led here. */
  clean(value: unknown, within: readonly string[], depth: number): JsonObject {
    if (!isJsonObject(value)) return {};
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH) return { type: 'object' };
    const { node, refs } = this.#expander.expand(value, within);
    const children = (child: unknown): JsonObject => this.clean(child, refs, depth + 1);
    const kept: [string, unknown][] = [];
    for (const [key, field] of Object.entries(node)) {
      if (!KEPT.has(key) || field === undefined) continue;
      if (key === 'properties') kept.push([key, cleanProperties(field, children)]);
      else if (key === 'items') kept.push([key, children(Array.isArray(field) ? field[0] : field)]);
      else if (key === 'anyOf') kept.push([key, (field as unknown[]).map(children)]);
      else if (key !== 'format' || FORMATS.has(field)) kept.push([key, field]);
    }
    const result: JsonObject = Object.fromEntries(kept);
    // Only now is it seen that a branch was null behind its references.
    if ((result.anyOf as readonly JsonObject[] | undefined)?.some(({ type }) => type === 'null')) {
      return this.clean(result, refs, depth);
    }
    cleanEnum(result, this.#use);
    completeType(result);
    cleanRequired(result);
    return result;
  }
}

function cleanProperties(value: unknown, children: (child: unknown) => JsonObject): JsonObject {
  if (!isJsonObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, children(child)]));
}

/** Gemini knows `enum` of non-empty texts only. */
function cleanEnum(node: JsonObject, use: SchemaUse): void {
  if (!('enum' in node)) return;
  const all = Array.isArray(node.enum) ? node.enum : [];
  if (all.includes(null)) node.nullable = true;
  const values = all.filter((value) => value !== null && value !== '');
  delete node.enum;
  if (values.length === 0) return;
  if (use === 'response' || values.every((value) => typeof value === 'string')) {
    node.type = 'string';
    if (node.format !== undefined && node.format !== 'enum') delete node.format;
    node.enum = [...new Set(values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))))];
    return;
  }
  const list = `One of: ${values.map((value) => JSON.stringify(value)).join(', ')}`;
  node.description = typeof node.description === 'string' ? `${node.description}\n${list}` : list;
}

function completeType(node: JsonObject): void {
  if (typeof node.type === 'string') node.type = node.type.toLowerCase();
  else delete node.type;
  if (node.type === undefined && node.properties !== undefined) node.type = 'object';
  if (node.type === undefined && node.items !== undefined) node.type = 'array';
  if (node.type === 'array' && node.items === undefined) node.items = { type: 'string' };
}

function cleanRequired(node: JsonObject): void {
  for (const key of ['required', 'propertyOrdering']) {
    const names = node[key];
    if (names === undefined) continue;
    const known = Array.isArray(names)
      ? names.filter((name) => isJsonObject(node.properties) && Object.hasOwn(node.properties, String(name)))
      : [];
    if (known.length === 0) delete node[key];
    else node[key] = [...new Set(known)];
  }
}
