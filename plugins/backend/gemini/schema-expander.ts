import { isJsonObject, type JsonObject } from '../../../core/api/index.js';

/** A node whose own composition is resolved; its children are as they came. */
export interface ExpandedNode {
  readonly node: JsonObject;
  /** References that lead to it, those met while it was expanded included. */
  readonly refs: readonly string[];
}

/** Rounds over one node: each takes one step away from references and compositions, which may be nested in bad faith. */
const MAX_ROUNDS = 100;
const MAX_BRANCHES = 100;

/** Fields that say something about one type only, for nodes that allow several. */
const FIELDS_BY_TYPE: Readonly<Record<string, readonly string[]>> = {
  string: ['enum', 'format', 'minLength', 'maxLength', 'pattern'],
  number: ['format', 'minimum', 'maximum'],
  integer: ['format', 'minimum', 'maximum'],
  array: ['items', 'minItems', 'maxItems'],
  object: ['properties', 'required', 'propertyOrdering', 'minProperties', 'maxProperties'],
};

/** Resolves `$ref`, `allOf`, `const`, lists of types, `oneOf` and null branches of one node at a time. */
export class SchemaExpander {
  readonly #root: JsonObject;

  constructor(root: JsonObject) {
    this.#root = root;
  }

  expand(start: JsonObject, within: readonly string[]): ExpandedNode {
    let node: JsonObject = { ...start };
    let refs = within;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (typeof node.$ref === 'string') {
        if (refs.includes(node.$ref)) return { node: { type: 'object' }, refs };
        refs = [...refs, node.$ref];
        node = this.#resolve(node);
      } else if (Array.isArray(node.allOf)) node = mergeAll(node);
      else if ('const' in node) node = withoutKey({ ...node, enum: [node.const] }, 'const');
      else if (Array.isArray(node.type)) node = splitTypes(node);
      else if (Array.isArray(node.oneOf)) node = oneOfAsAnyOf(node);
      else if (Array.isArray(node.anyOf)) {
        const reduced = this.#reduceBranches(node);
        if (reduced === undefined) return { node, refs };
        node = reduced;
      } else return { node: withoutKey(node, 'anyOf'), refs };
    }
    return { node: { type: 'object' }, refs };
  }

  /** The target with the node's other fields laid over it. */
  #resolve(node: JsonObject): JsonObject {
    const target = this.#lookUp(node.$ref as string);
    const siblings = withoutKey(node, '$ref');
    if (target !== undefined) return { ...target, ...siblings };
    return Object.keys(siblings).length === 0 ? { type: 'object' } : siblings;
  }

  /** A JSON pointer within the schema; other documents are never read. */
  #lookUp(ref: string): JsonObject | undefined {
    if (ref !== '#' && !ref.startsWith('#/')) return undefined;
    let at: unknown = this.#root;
    for (const step of ref.split('/').slice(1)) {
      const key = unescapeStep(step);
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
      at = (at as JsonObject)[key];
    }
    return isJsonObject(at) ? at : undefined;
  }

  /** Takes null branches out and merges a last one up; undefined when several real branches are left as they are. */
  #reduceBranches(node: JsonObject): JsonObject | undefined {
    const branches = node.anyOf as unknown[];
    const real = branches.filter((branch) => !this.#isNull(branch)).slice(0, MAX_BRANCHES);
    const rest = withoutKey(node, 'anyOf');
    const nullable = branches.some((branch) => this.#isNull(branch)) ? { nullable: true } : {};
    if (real.length === 0) return { ...rest, ...nullable };
    if (real.length === 1) {
      const only = real[0];
      return isJsonObject(only) ? merge({ ...rest, ...nullable }, only) : { ...rest, ...nullable };
    }
    return real.length === branches.length ? undefined : { ...rest, ...nullable, anyOf: real };
  }

  #isNull(branch: unknown): boolean {
    if (!isJsonObject(branch)) return false;
    const node = typeof branch.$ref === 'string' ? (this.#lookUp(branch.$ref) ?? branch) : branch;
    if (typeof node.type === 'string') return node.type.toLowerCase() === 'null';
    if (Array.isArray(node.type) && node.type.length > 0) return node.type.every((type) => type === 'null');
    if ('const' in node) return node.const === null;
    return Array.isArray(node.enum) && node.enum.length > 0 && node.enum.every((value) => value === null);
  }
}

function withoutKey(node: JsonObject, key: string): JsonObject {
  if (!(key in node)) return node;
  const { [key]: _, ...rest } = node;
  return rest;
}

/** JSON pointer escapes, and those of the URI fragment that it stands in. */
function unescapeStep(step: string): string {
  let text = step;
  try {
    text = decodeURIComponent(step);
  } catch {
    // A lone percent sign is meant as it is.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~');
}

function mergeAll(node: JsonObject): JsonObject {
  const branches = (node.allOf as unknown[]).slice(0, MAX_BRANCHES).filter(isJsonObject);
  return branches.reduce(merge, withoutKey(node, 'allOf'));
}

/** What holds of both: properties and required names together, nested compositions one after the other; else the first wins. */
function merge(first: JsonObject, second: JsonObject): JsonObject {
  const merged: JsonObject = { ...second, ...first };
  if (isJsonObject(first.properties) && isJsonObject(second.properties)) {
    merged.properties = { ...second.properties, ...first.properties };
  }
  if (Array.isArray(first.required) && Array.isArray(second.required)) {
    merged.required = [...new Set([...first.required, ...second.required])];
  }
  if (Array.isArray(first.allOf) && Array.isArray(second.allOf)) merged.allOf = [...first.allOf, ...second.allOf];
  if (typeof first.$ref === 'string' && typeof second.$ref === 'string') {
    const rest = Array.isArray(merged.allOf) ? merged.allOf : [];
    merged.allOf = [...rest, { $ref: second.$ref }];
  }
  return merged;
}

function oneOfAsAnyOf(node: JsonObject): JsonObject {
  const others = Array.isArray(node.anyOf) ? node.anyOf : [];
  return withoutKey({ ...node, anyOf: [...others, ...(node.oneOf as unknown[])] }, 'oneOf');
}

/** `["string", "null"]` is a nullable string; several real types are branches, each with the fields that are about it. */
function splitTypes(node: JsonObject): JsonObject {
  const all = (node.type as unknown[]).filter((type) => typeof type === 'string');
  const types = [...new Set(all.map((type) => type.toLowerCase()))].filter((type) => type !== 'null');
  const rest = withoutKey(node, 'type');
  const nullable =
    all.length > types.length && all.some((type) => type.toLowerCase() === 'null') ? { nullable: true } : {};
  if (types.length === 0) return { ...rest, ...nullable };
  if (types.length === 1) return { ...rest, ...nullable, type: types[0] };
  if (Array.isArray(node.anyOf)) return { ...rest, ...nullable };
  const common = { ...rest };
  for (const field of Object.values(FIELDS_BY_TYPE).flat()) delete common[field];
  const anyOf = types.map((type) => {
    const own = (FIELDS_BY_TYPE[type] ?? []).filter((field) => field in rest).map((field) => [field, rest[field]]);
    return { type, ...Object.fromEntries(own) };
  });
  return { ...common, ...nullable, anyOf };
}
