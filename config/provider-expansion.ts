import { canonicalProvider, PROVIDERS, type ProviderFacts, providerFacts } from '../core/api/provider.js';
import {
  type ConfigNode,
  childOf,
  itemsOf,
  type MapNode,
  mapNode,
  nodeAt,
  nodeOf,
  type Origin,
  scalarNode,
  textOf,
  withEntry,
  withoutEntry,
} from './config-node.js';
import { assignNode } from './node-merge.js';

/**
 * Writes out what providers leave unsaid: canonical names, keys from the environment, the worker of a cluster that is a
 * provider. Only after merging, and before placeholders are filled.
 */
export function expandProviders(root: MapNode, env: Readonly<Record<string, string | undefined>>): MapNode {
  return expandClusters(addKeys(expandBlocks(root), env));
}

/** Providers with an address of their own whose key the environment holds, under the name that their own SDKs use. */
export function providersOfEnvironment(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries<ProviderFacts>(PROVIDERS).flatMap(([name, { url, keyVariables }]) =>
    url === undefined || variableWith(keyVariables, env) === undefined ? [] : [name],
  );
}

/** A text is the key; `api_key` is another name of it; `{ env: NAME }` and `{ file: PATH }` are placeholders. */
function expandBlocks(root: MapNode): MapNode {
  const blocks = childOf(root, 'providers');
  if (blocks?.kind !== 'map') return root;
  const pairs = [...blocks.entries].map(([name, { value }]): [string, ConfigNode] => [
    canonicalProvider(name),
    expandBlock(value),
  ]);
  return withEntry(root, 'providers', mapNode(pairs, blocks.path, blocks.origin));
}

function expandBlock(block: ConfigNode): ConfigNode {
  if (block.kind === 'scalar' && typeof block.value === 'string') {
    return mapNode([['key', block]], block.path, block.origin);
  }
  if (block.kind !== 'map') return block;
  let map = block;
  const other = childOf(map, 'api_key');
  if (other !== undefined && !map.entries.has('key')) map = withEntry(withoutEntry(map, 'api_key'), 'key', other);
  for (const name of ['key', 'list_key']) {
    const key = childOf(map, name);
    const [variable, file] = [textOf(key, 'env'), textOf(key, 'file')];
    const text = variable === undefined ? (file === undefined ? undefined : `$file:${file}`) : `$${variable}`;
    if (key?.kind === 'map' && key.entries.size === 1 && text !== undefined) {
      map = withEntry(map, name, scalarNode(text, key.path, key.origin));
    }
  }
  return map;
}

function addKeys(root: MapNode, env: Readonly<Record<string, string | undefined>>): MapNode {
  let tree: ConfigNode = root;
  for (const [name, facts] of Object.entries<ProviderFacts>(PROVIDERS)) {
    const known = [
      ['key', variableWith(facts.keyVariables, env)],
      ['list_key', variableWith([facts.listKeyVariable], env)],
    ] as const;
    for (const [key, variable] of known) {
      if (variable === undefined || nodeAt(tree, 'providers', name, key) !== undefined) continue;
      const origin: Origin = { source: 'env', label: variable, file: undefined, line: 0, column: 0 };
      const path = ['providers', name, key];
      tree = assignNode(tree, path, nodeOf(env[variable], path, origin, { literal: true }));
    }
  }
  return tree as MapNode;
}

function variableWith(names: readonly string[], env: Readonly<Record<string, string | undefined>>): string | undefined {
  return names.find((name) => (env[name] ?? '').trim() !== '');
}

function expandClusters(root: MapNode): MapNode {
  const list = childOf(root, 'clusters');
  if (list?.kind !== 'list') return root;
  const items = itemsOf(list).map((cluster) => (cluster.kind === 'map' ? withProviderWorker(cluster, root) : cluster));
  return withEntry(root, 'clusters', { ...list, items });
}

/** A provider is one worker: at `url` of the cluster, at that of its block, or at its own address. */
function withProviderWorker(cluster: MapNode, root: MapNode): MapNode {
  if (['workers', 'discovery', 'engine'].some((key) => cluster.entries.has(key))) return cluster;
  const { origin, path } = cluster;
  const name = textOf(cluster, 'provider');
  const provider = name === undefined ? undefined : canonicalProvider(name);
  const home = provider === undefined ? undefined : providerFacts(provider)?.url;
  const url =
    childOf(cluster, 'url') ??
    (provider === undefined ? undefined : nodeAt(root, 'providers', provider, 'url')) ??
    (home === undefined ? undefined : scalarNode(home, [...path, 'url'], origin));
  if (url === undefined) return cluster;
  const worker = mapNode([['url', url]], [...path, 'workers', 0], origin);
  const workers: ConfigNode = { kind: 'list', items: [worker], path: [...path, 'workers'], origin };
  return withoutEntry(withEntry(cluster, 'workers', workers), 'url');
}
