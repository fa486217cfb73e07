import {
  type ConfigNode,
  type ConfigPath,
  childOf,
  type MapNode,
  mapNode,
  scalarNode,
  textOf,
  withEntry,
} from './config-node.js';

/** Name by which an item of a list is merged; undefined when it has none. */
function identityOf(item: ConfigNode): string | undefined {
  const preset = textOf(item, 'preset');
  return textOf(item, 'name') ?? (preset === undefined ? textOf(item, 'type') : `preset ${preset}`);
}

function isNamedList(node: ConfigNode): boolean {
  return node.kind === 'list' && node.items.every((item) => identityOf(item) !== undefined);
}

/**
 * `over` on top of `base`: maps merge deeply, lists of named objects merge by name (new ones at the end), everything
 * else is replaced.
 */
export function mergeNodes(base: ConfigNode | undefined, over: ConfigNode): ConfigNode {
  if (base === undefined) return over;
  if (base.kind === 'map' && over.kind === 'map') {
    const entries = new Map(base.entries);
    for (const [key, entry] of over.entries) {
      const below = entries.get(key);
      entries.set(key, below === undefined ? entry : { ...entry, value: mergeNodes(below.value, entry.value) });
    }
    return { ...over, entries };
  }
  if (base.kind === 'list' && over.kind === 'list' && over.items.length > 0 && isNamedList(base) && isNamedList(over)) {
    const items = [...base.items];
    for (const item of over.items) {
      const index = items.findIndex((other) => identityOf(other) === identityOf(item));
      if (index < 0) items.push(item);
      else items[index] = mergeNodes(items[index], item);
    }
    return { ...over, items };
  }
  return over;
}

/**
 * The tree with `value` at a path of keys. In a list a step is an index, or the `name` of an item, which is added when
 * there is none; `main` also means the first listener that is none for probes. Missing maps are made.
 */
export function assignNode(node: ConfigNode | undefined, path: ConfigPath, value: ConfigNode, depth = 0): ConfigNode {
  if (depth === path.length) return value;
  const step = String(path[depth]);
  const inList =
    node?.kind === 'list' || (node === undefined && (path[0] === 'listeners' || path[0] === 'clusters') && depth === 1);
  if (inList) return assignInList(node, path, value, depth);
  const map: MapNode = node?.kind === 'map' ? node : mapNode([], path.slice(0, depth), value.origin);
  return withEntry(map, step, assignNode(childOf(map, step), path, value, depth + 1));
}

function assignInList(node: ConfigNode | undefined, path: ConfigPath, value: ConfigNode, depth: number): ConfigNode {
  const step = String(path[depth]);
  const items = node?.kind === 'list' ? [...node.items] : [];
  let index = items.findIndex((item) => textOf(item, 'name') === step);
  if (index < 0 && /^\d+$/.test(step)) index = Number(step);
  if (index < 0 && step === 'main') index = items.findIndex((item) => textOf(item, 'kind') !== 'probe');
  if (index < 0 || index >= items.length) {
    const at = [...path.slice(0, depth), items.length];
    index = items.length;
    const isIndex = /^\d+$/.test(step);
    items.push(mapNode(isIndex ? [] : [['name', scalarNode(step, [...at, 'name'], value.origin)]], at, value.origin));
  }
  items[index] = assignNode(items[index], path, value, depth + 1);
  return { kind: 'list', items, path: path.slice(0, depth), origin: node?.origin ?? value.origin };
}
