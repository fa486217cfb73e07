import {
  type ConfigNode,
  childOf,
  DEFAULT_ORIGIN,
  itemsOf,
  type MapNode,
  nodeAt,
  nodeOf,
  textOf,
  withEntry,
} from './config-node.js';
import { isOff } from './filter-chain.js';
import { assignNode, mergeNodes } from './node-merge.js';

/** `standard`: for files. `smg`: what an SMG command line expects. */
export type DefaultSet = 'standard' | 'smg';

/** What clusters inherit under `smg` where the file says nothing. */
const SMG_RESILIENCE: Readonly<Record<string, object>> = { health: { every: '60s' }, drain: { settle: '5s' } };

/**
 * Fills in what a schema cannot know: the values that differ between the two sets, the default listener and chain, and
 * what clusters inherit from `resilience`. Everything else has its default in its schema.
 */
export function applyDefaultSet(root: MapNode, fallback: DefaultSet): MapNode {
  const set = textOf(root, 'defaults') ?? fallback;
  let map = fill(root, ['defaults'], set);
  map = fill(map, ['listeners'], [{ name: 'main' }]);
  map = withClientListener(map);
  map = fill(map, ['filters'], [{ preset: 'standard' }]);
  map = fillClusters(map);
  if (set === 'smg') {
    map = fill(map, ['telemetry', 'logs', 'format'], 'text');
    map = withSmgLimits(map);
    if (!isOff(nodeAt(map, 'telemetry', 'metrics', 'prometheus'))) {
      map = fill(map, ['telemetry', 'metrics', 'prometheus', 'host'], anyAddress(map));
    }
  }
  for (const key of ['health', 'drain', 'circuit_breaker', 'overload', 'liveness']) {
    const smg = set === 'smg' ? SMG_RESILIENCE[key] : undefined;
    map = inherit(map, key, smg === undefined ? undefined : nodeOf(smg, ['resilience', key], DEFAULT_ORIGIN));
  }
  return map;
}

function isForClients(listener: ConfigNode): boolean {
  return textOf(listener, 'kind') !== 'probe';
}

/** Probes alone are no gateway: the default listener stands before them. */
function withClientListener(root: MapNode): MapNode {
  const listeners = childOf(root, 'listeners');
  if (listeners?.kind !== 'list' || listeners.items.length === 0 || listeners.items.some(isForClients)) return root;
  const main = nodeOf({ name: 'main' }, ['listeners', 0], DEFAULT_ORIGIN);
  return withEntry(root, 'listeners', { ...listeners, items: [main, ...listeners.items] });
}

/** Without any cluster there is one for the workers that the admin API adds. */
function fillClusters(root: MapNode): MapNode {
  const clusters = childOf(root, 'clusters');
  if (clusters !== undefined && (clusters.kind !== 'list' || clusters.items.length > 0)) return root;
  return assignNode(root, ['clusters'], nodeOf([{ name: 'default' }], ['clusters'], DEFAULT_ORIGIN)) as MapNode;
}

/** A cap on concurrency is always there, and bounds the burst of the request rate. */
function withSmgLimits(root: MapNode): MapNode {
  const map = fill(root, ['limits', 'concurrency', 'max'], 'auto');
  const max = nodeAt(map, 'limits', 'concurrency', 'max');
  const burst = max?.kind === 'scalar' ? Number(max.value) : 0;
  if (childOf(nodeAt(map, 'limits', 'rate'), 'requests') === undefined || !(burst > 0)) return map;
  return fill(map, ['limits', 'rate', 'burst'], burst);
}

/** The unspecified address of the family that the first listener for clients uses. */
function anyAddress(root: MapNode): string {
  const first = itemsOf(childOf(root, 'listeners')).find(isForClients);
  const host = textOf(first, 'host') ?? '0.0.0.0';
  return host.includes(':') ? '::' : '0.0.0.0';
}

function fill(root: MapNode, path: readonly string[], value: unknown): MapNode {
  let parent: ConfigNode | undefined = root;
  for (const key of path.slice(0, -1)) {
    parent = childOf(parent, key);
    // What has the wrong shape is left for the schema to report.
    if (parent !== undefined && parent.kind !== 'map') return root;
  }
  if (nodeAt(root, ...path) !== undefined) return root;
  return assignNode(root, path, nodeOf(value, path, DEFAULT_ORIGIN)) as MapNode;
}

/** One block of `resilience`, with `base` below it, under the block of the same name of each cluster. */
function inherit(root: MapNode, key: string, base: ConfigNode | undefined): MapNode {
  const clusters = childOf(root, 'clusters');
  if (clusters?.kind !== 'list') return root;
  const common = nodeAt(root, 'resilience', key);
  const shared = common === undefined ? base : mergeNodes(base, common);
  if (shared === undefined) return root;
  const items = clusters.items.map((cluster) => {
    if (cluster.kind !== 'map') return cluster;
    const own = childOf(cluster, key);
    if (own === undefined) return withEntry(cluster, key, shared);
    return isOff(own) ? cluster : withEntry(cluster, key, mergeNodes(shared, own));
  });
  return withEntry(root, 'clusters', { ...clusters, items });
}
