import {
  type ConfigNode,
  childOf,
  type ListNode,
  type MapNode,
  mapNode,
  scalarNode,
  textOf,
  withEntry,
  withoutEntry,
} from './config-node.js';
import { isOff } from './filter-chain.js';
import { mergeNodes } from './node-merge.js';

/** `key: node` around a scalar, at the scalar's own place. */
function wrap(key: string, node: ConfigNode): MapNode {
  return mapNode([[key, node]], node.path, node.origin);
}

function isText(node: ConfigNode): boolean {
  return node.kind === 'scalar' && typeof node.value === 'string';
}

function isNumber(node: ConfigNode): boolean {
  return node.kind === 'scalar' && (typeof node.value === 'number' || /^\$|^\d+$/.test(String(node.value)));
}

function asList(node: ConfigNode): ConfigNode {
  return node.kind === 'list' || (node.kind === 'scalar' && node.value === null)
    ? node
    : { kind: 'list', items: [node], path: node.path, origin: node.origin };
}

function mapItems(node: ConfigNode, change: (item: ConfigNode) => ConfigNode): ConfigNode {
  return node.kind === 'list' ? { ...node, items: node.items.map(change) } : node;
}

function mapValues(node: ConfigNode, change: (value: ConfigNode) => ConfigNode): ConfigNode {
  if (node.kind !== 'map') return node;
  const entries = [...node.entries].map(([key, entry]) => [key, { ...entry, value: change(entry.value) }] as const);
  return { ...node, entries: new Map(entries) };
}

function changeEntry(map: MapNode, key: string, change: (value: ConfigNode) => ConfigNode): MapNode {
  const value = childOf(map, key);
  return value === undefined ? map : withEntry(map, key, change(value));
}

/** Names for the items that have none: the first is `first`, the others get `prefix` and their place. */
function nameItems(list: ConfigNode, first: string, prefix: string): ConfigNode {
  if (list.kind !== 'list') return list;
  const taken = new Set(list.items.map((item) => textOf(item, 'name')));
  const items = list.items.map((item, index) => {
    if (item.kind !== 'map' || item.entries.has('name')) return item;
    const name = index === 0 && !taken.has(first) ? first : `${prefix}_${index + 1}`;
    return withEntry(item, 'name', scalarNode(name, [...item.path, 'name'], item.origin));
  });
  return { ...list, items };
}

function expandCluster(cluster: ConfigNode): ConfigNode {
  if (cluster.kind !== 'map') return cluster;
  const map = changeEntry(cluster, 'workers', (workers) =>
    mapItems(asList(workers), (worker) => (isText(worker) ? wrap('url', worker) : worker)),
  );
  return expandTls(expandDrain(map), 'ca');
}

/** A duration is how long the worker is seen to drain. */
function expandDrain(owner: ConfigNode): ConfigNode {
  if (owner.kind !== 'map') return owner;
  return changeEntry(owner, 'drain', (drain) =>
    isNumber(drain) || (isText(drain) && !textIs(drain, 'off')) ? wrap('settle', drain) : drain,
  );
}

/** A change of a filter on a route from `off` or its settings, at their place. */
function filterChange(settings: ConfigNode): MapNode {
  const { path, origin } = settings;
  const disabled = mapNode([['disabled', scalarNode(isOff(settings), path, origin)]], path, origin);
  return isOff(settings) ? disabled : withEntry(disabled, 'config', settings);
}

/** Clusters to go on to as settings: those of a route go before the rules that hold for all. */
function fallbackSettings(node: ConfigNode): ConfigNode {
  if (isOff(node) || node.kind === 'map') return node;
  const none: ListNode = { kind: 'list', items: [], path: node.path, origin: node.origin };
  const entries: [string, ConfigNode][] = [
    ['to', asList(node)],
    ['rules', none],
  ];
  return mapNode(entries, node.path, node.origin);
}

/** `off` where a change of a filter stands, and `retry` and `fallback` as changes of the filters of these names. */
function expandRoute(route: ConfigNode): ConfigNode {
  if (route.kind !== 'map') return route;
  const map = changeEntry(route, 'filters', (changes) =>
    mapValues(changes, (change) => (isOff(change) ? filterChange(change) : change)),
  );
  return moveToFilters(
    moveToFilters(map, 'retry', (node) => node),
    'fallback',
    fallbackSettings,
  );
}

/** A key of a route as a change of the filter of that name. */
function moveToFilters(route: MapNode, name: string, toSettings: (node: ConfigNode) => ConfigNode): MapNode {
  const node = childOf(route, name);
  if (node === undefined) return route;
  const changes = childOf(route, 'filters') ?? mapNode([], [...route.path, 'filters'], node.origin);
  // Its schema says what is wrong with it.
  if (changes.kind !== 'map') return route;
  const change = mergeNodes(childOf(changes, name), filterChange(toSettings(node)));
  return withEntry(withoutEntry(route, name), 'filters', withEntry(changes, name, change));
}

/** One authority where a list of them may stand. */
function expandTls(owner: ConfigNode, authorities: string): ConfigNode {
  if (owner.kind !== 'map') return owner;
  return changeEntry(owner, 'tls', (tls) => (tls.kind === 'map' ? changeEntry(tls, authorities, asList) : tls));
}

function expandClusters(node: ConfigNode): ConfigNode {
  const list = asList(node) as ListNode;
  if (list.kind === 'list' && list.items.length > 0 && list.items.every(isText)) {
    const cluster = mapNode([['workers', { ...list, path: list.path }]], list.path, list.origin);
    return nameItems({ ...list, items: [expandCluster(cluster)] }, 'default', 'cluster');
  }
  return nameItems(mapItems(list, expandCluster), 'default', 'cluster');
}

/** A listener for probes is never the first one, whatever its place. */
function nameProbe(listener: ConfigNode): ConfigNode {
  if (listener.kind !== 'map' || textOf(listener, 'kind') !== 'probe' || listener.entries.has('name')) return listener;
  return withEntry(listener, 'name', scalarNode('probe', [...listener.path, 'name'], listener.origin));
}

/** Drops keys without a value: a heading whose lines are all commented out means nothing. */
function withoutNulls(root: MapNode): MapNode {
  const entries = new Map([...root.entries].filter(([, { value }]) => value.kind !== 'scalar' || value.value !== null));
  return { ...root, entries };
}

/** A number is how many requests at once; a text is a rate. */
function expandLimits(limits: ConfigNode): ConfigNode {
  if (limits.kind !== 'map') return limits;
  let map = withoutNulls(limits);
  map = changeEntry(map, 'concurrency', (node) =>
    isNumber(node) || (isText(node) && textIs(node, 'auto')) ? wrap('max', node) : node,
  );
  for (const key of ['rate', 'address']) {
    map = changeEntry(map, key, (node) => (isText(node) && !textIs(node, 'off') ? wrap('requests', node) : node));
  }
  return map;
}

/** `on` and `off` where settings may stand. */
function expandSwitch(node: ConfigNode): ConfigNode {
  if (isOff(node)) return wrap('enabled', scalarNode(false, node.path, node.origin));
  const isOn = node.kind === 'scalar' && (node.value === true || node.value === 'on');
  return isOn ? wrap('enabled', scalarNode(true, node.path, node.origin)) : node;
}

function textIs(node: ConfigNode, text: string): boolean {
  return node.kind === 'scalar' && node.value === text;
}

/**
 * Writes out the shorthand of one document: strings where an object has one main field, plain lists of URLs, numbers as
 * ports, missing names. Run on each file before it is merged, and on the whole once more; a second run changes nothing.
 */
export function expandShorthand(root: MapNode): MapNode {
  let map = withoutNulls(root);
  map = changeEntry(map, 'include', asList);
  map = changeEntry(map, 'listeners', (node) =>
    nameItems(
      mapItems(asList(node), (item) => (isNumber(item) ? wrap('port', item) : nameProbe(expandTls(item, 'client_ca')))),
      'main',
      'listener',
    ),
  );
  map = changeEntry(map, 'filters', (node) =>
    mapItems(asList(node), (item) => (isText(item) ? wrap('name', item) : item)),
  );
  map = changeEntry(map, 'clusters', expandClusters);
  map = changeEntry(map, 'limits', expandLimits);
  map = changeEntry(map, 'cost', expandSwitch);
  map = changeEntry(map, 'resilience', expandDrain);
  map = changeEntry(map, 'admin', (node) =>
    node.kind === 'map' ? changeEntry(node, 'listener', (item) => expandTls(item, 'client_ca')) : node,
  );
  map = changeEntry(map, 'policies', (node) =>
    mapValues(node, (value) => (isText(value) ? wrap('type', value) : value)),
  );
  map = changeEntry(map, 'routes', (node) => mapItems(node, expandRoute));
  map = changeEntry(map, 'plugins', (node) =>
    mapItems(asList(node), (item) => (isText(item) ? wrap('package', item) : item)),
  );
  return changeEntry(map, 'auth', (node) => (isText(node) ? wrap('api_key', node) : node));
}

/** Names for routes without one. Only after merging: a list with unnamed routes replaces the one below it. */
export function nameRoutes(root: MapNode): MapNode {
  return changeEntry(root, 'routes', (node) => nameItems(node, 'route_1', 'route'));
}
