/** Where a value came from. */
export interface Origin {
  readonly source: 'file' | 'env' | 'flag' | 'default';
  /** File as the user named it, environment variable, or flag with its dashes; empty for defaults. */
  readonly label: string;
  /** Absolute path, for files. Relative references (`$file:`, `include`) start at its folder. */
  readonly file: string | undefined;
  /** 1-based; 0 where there are no lines. */
  readonly line: number;
  readonly column: number;
}

export type ConfigPath = readonly (string | number)[];

/**
 * The document as a tree that knows where each value was written. Everything happens on it before a schema sees plain
 * values: includes and flags are merged, shorthand is expanded, placeholders are filled.
 */
export type ConfigNode = ScalarNode | ListNode | MapNode;

export interface ScalarNode {
  readonly kind: 'scalar';
  value: string | number | boolean | null;
  /** Path at which it was written, for messages; differs from its place in the merged tree. */
  readonly path: ConfigPath;
  readonly origin: Origin;
  /** Text that may become the number or boolean that the schema wants: placeholders, environment, flags. */
  coercible: boolean;
  /** As written, when placeholders were filled in: shown in messages instead of the value. */
  placeholder: string | undefined;
  /** Never shown: read from a file by `$file:`, or secret by the schema of a plugin. */
  hidden: boolean;
  /** No placeholders inside: values of flags and of the environment. */
  readonly literal: boolean;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly ConfigNode[];
  readonly path: ConfigPath;
  readonly origin: Origin;
}

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, MapEntry>;
  readonly path: ConfigPath;
  readonly origin: Origin;
}

export interface MapEntry {
  /** Where the key stands: unknown keys are reported there. */
  readonly keyOrigin: Origin;
  readonly value: ConfigNode;
}

/** Origin of what nobody wrote. */
export const DEFAULT_ORIGIN: Origin = { source: 'default', label: '', file: undefined, line: 0, column: 0 };

export function scalarNode(
  value: ScalarNode['value'],
  path: ConfigPath,
  origin: Origin,
  options: { coercible?: boolean; literal?: boolean } = {},
): ScalarNode {
  return {
    kind: 'scalar',
    value,
    path,
    origin,
    coercible: options.coercible ?? false,
    placeholder: undefined,
    hidden: false,
    literal: options.literal ?? false,
  };
}

/** A map node from pairs; the keys stand where the values do. */
export function mapNode(pairs: Iterable<[string, ConfigNode]>, path: ConfigPath, origin: Origin): MapNode {
  const entries = new Map<string, MapEntry>();
  for (const [key, value] of pairs) entries.set(key, { keyOrigin: value.origin, value });
  return { kind: 'map', entries, path, origin };
}

/** The node of a plain value, every part with the same origin. */
export function nodeOf(
  value: unknown,
  path: ConfigPath,
  origin: Origin,
  options: { coercible?: boolean; literal?: boolean } = {},
): ConfigNode {
  if (Array.isArray(value)) {
    const items = value.map((item, index) => nodeOf(item, [...path, index], origin, options));
    return { kind: 'list', items, path, origin };
  }
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).filter(([, child]) => child !== undefined);
    return mapNode(
      pairs.map(([key, child]) => [key, nodeOf(child, [...path, key], origin, options)]),
      path,
      origin,
    );
  }
  return scalarNode(value as ScalarNode['value'], path, origin, options);
}

/** Child of a map by key; undefined when it is no map or has no such key. */
export function childOf(node: ConfigNode | undefined, key: string): ConfigNode | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
}

/** Node at a path of keys. */
export function nodeAt(node: ConfigNode | undefined, ...keys: readonly string[]): ConfigNode | undefined {
  let at = node;
  for (const key of keys) at = childOf(at, key);
  return at;
}

/** Items of a list; empty for anything else. */
export function itemsOf(node: ConfigNode | undefined): readonly ConfigNode[] {
  return node?.kind === 'list' ? node.items : [];
}

/** Text of a string scalar child; undefined for anything else. */
export function textOf(node: ConfigNode | undefined, key: string): string | undefined {
  const child = childOf(node, key);
  return child?.kind === 'scalar' && typeof child.value === 'string' ? child.value : undefined;
}

/** The map with one entry set. */
export function withEntry(map: MapNode, key: string, value: ConfigNode): MapNode {
  const entries = new Map(map.entries);
  entries.set(key, { keyOrigin: map.entries.get(key)?.keyOrigin ?? value.origin, value });
  return { ...map, entries };
}

/** The map without one entry. */
export function withoutEntry(map: MapNode, key: string): MapNode {
  if (!map.entries.has(key)) return map;
  const entries = new Map(map.entries);
  entries.delete(key);
  return { ...map, entries };
}

/** Plain values, as a schema wants them. */
export function toPlain(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  const plain: Record<string, unknown> = {};
  for (const [key, entry] of node.entries) plain[key] = toPlain(entry.value);
  return plain;
}

/** Calls `visit` with every scalar below the node; `key` is the name of the map key that holds it, or its list. */
export function eachScalar(node: ConfigNode, visit: (scalar: ScalarNode, key: string) => void, key = ''): void {
  if (node.kind === 'scalar') visit(node, key);
  else if (node.kind === 'list') for (const item of node.items) eachScalar(item, visit, key);
  else for (const [name, entry] of node.entries) eachScalar(entry.value, visit, name);
}

/** What stands at a path, or the nearest thing above it. */
export interface Located {
  readonly node: ConfigNode;
  /** False when the path leads to something that nobody wrote. */
  readonly exact: boolean;
  /** Path to show: as written. */
  readonly path: ConfigPath;
  /** Nearest map key on the way. */
  readonly key: string;
}

/** Walks down a path of the merged tree as far as it exists. */
export function locate(root: ConfigNode, path: ConfigPath): Located {
  let node = root;
  let key = '';
  for (let depth = 0; depth < path.length; depth++) {
    const step = path[depth] as string | number;
    const next = node.kind === 'list' ? node.items[Number(step)] : childOf(node, String(step));
    if (next === undefined) {
      const last = path.at(-1);
      return { node, exact: false, path: [...node.path, ...path.slice(depth)], key: String(last ?? key) };
    }
    if (node.kind === 'map') key = String(step);
    node = next;
  }
  return { node, exact: true, path: node.path, key };
}

/** `gateway.yaml:31:13`, `--port`, `GATEWAY__VERSION`, or `default`. */
export function formatOrigin(origin: Origin): string {
  if (origin.source === 'file') {
    return origin.line > 0 ? `${origin.label}:${origin.line}:${origin.column}` : origin.label;
  }
  return origin.source === 'default' ? 'default' : origin.label;
}

/** `clusters[1].policy`, with keys that are no plain words in quotes. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
