import { unbuiltProvider } from '../core/api/provider.js';
import type { ConfigIssue } from './config-errors.js';
import {
  type ConfigNode,
  childOf,
  formatOrigin,
  formatPath,
  itemsOf,
  type MapNode,
  nodeAt,
  textOf,
} from './config-node.js';
import { didYouMean } from './did-you-mean.js';
import { ADMIN_LISTENER } from './listener.js';

/**
 * What no schema sees: names that are used twice, references that lead nowhere, sockets that clash. Works on nodes, so
 * that it also reports when another part of the file fails its schema.
 */
export function checkReferences(root: MapNode, filterNames: readonly string[]): ConfigIssue[] {
  return [
    ...uniqueNames(root, 'listeners'),
    ...uniqueNames(root, 'clusters'),
    ...uniqueNames(root, 'routes'),
    ...routeReferences(root, filterNames),
    ...filterReferences(root),
    ...aliasTargets(root),
    ...workerUrls(root),
    ...providers(root),
    ...idleSchedulers(root),
    ...adminListenerName(root),
    ...clearTextUnderTls(root),
    ...probeListeners(root),
    ...sockets(root),
  ];
}

function issueAt(node: ConfigNode, message: string): ConfigIssue {
  return { origin: node.origin, path: formatPath(node.path), message };
}

function namesOf(root: MapNode, list: string): string[] {
  return itemsOf(childOf(root, list)).flatMap((item) => textOf(item, 'name') ?? []);
}

function listenerNames(root: MapNode): string[] {
  const names = namesOf(root, 'listeners');
  return nodeAt(root, 'admin', 'listener') === undefined ? names : [...names, ADMIN_LISTENER];
}

function uniqueNames(root: MapNode, list: string): ConfigIssue[] {
  const seen = new Map<string, ConfigNode>();
  const issues: ConfigIssue[] = [];
  for (const item of itemsOf(childOf(root, list))) {
    const name = textOf(item, 'name');
    if (name === undefined) continue;
    const first = seen.get(name);
    const node = childOf(item, 'name') as ConfigNode;
    if (first === undefined) seen.set(name, node);
    else issues.push(issueAt(node, `the name "${name}" is already used at ${formatOrigin(first.origin)}`));
  }
  return issues;
}

/** Issues for every listener that a `match` names and that does not exist. */
function listenerReferences(item: ConfigNode, listeners: readonly string[]): ConfigIssue[] {
  const match = childOf(item, 'match');
  const conditions = [match, ...itemsOf(childOf(match, 'any'))];
  return conditions
    .flatMap((condition) => itemsOf(childOf(condition, 'listeners')))
    .flatMap((node) => {
      if (node.kind !== 'scalar' || typeof node.value !== 'string' || node.value.includes('*')) return [];
      const name = node.value.replace(/^!/, '');
      if (listeners.includes(name)) return [];
      return [issueAt(node, `no listener "${name}"${didYouMean(name, listeners)}`)];
    });
}

function routeReferences(root: MapNode, filterNames: readonly string[]): ConfigIssue[] {
  const clusters = namesOf(root, 'clusters');
  const listeners = listenerNames(root);
  return itemsOf(childOf(root, 'routes')).flatMap((route) => {
    const issues = listenerReferences(route, listeners);
    const cluster = textOf(route, 'cluster');
    if (cluster !== undefined && !clusters.includes(cluster)) {
      const message = `no cluster "${cluster}"${didYouMean(cluster, clusters)}`;
      issues.push(issueAt(childOf(route, 'cluster') as ConfigNode, message));
    }
    for (const target of itemsOf(nodeAt(route, 'filters', 'fallback', 'config', 'to'))) {
      const node = target.kind === 'map' ? childOf(target, 'cluster') : target;
      if (node?.kind !== 'scalar' || typeof node.value !== 'string' || clusters.includes(node.value)) continue;
      issues.push(issueAt(node, `no cluster "${node.value}"${didYouMean(node.value, clusters)}`));
    }
    const overrides = childOf(route, 'filters');
    for (const [name, entry] of overrides?.kind === 'map' ? overrides.entries : []) {
      if (filterNames.includes(name)) continue;
      const path = formatPath(entry.value.path);
      const message = `no filter "${name}" in the chain${didYouMean(name, filterNames)}`;
      issues.push({ origin: entry.keyOrigin, path, message });
    }
    return issues;
  });
}

function filterReferences(root: MapNode): ConfigIssue[] {
  const listeners = listenerNames(root);
  return itemsOf(childOf(root, 'filters')).flatMap((filter) => listenerReferences(filter, listeners));
}

function aliasTargets(root: MapNode): ConfigIssue[] {
  const aliases = nodeAt(root, 'models', 'aliases');
  if (aliases?.kind !== 'map') return [];
  const issues: ConfigIssue[] = [];
  for (const [alias, { value }] of aliases.entries) {
    if (value.kind !== 'scalar') continue;
    if (value.value === alias) issues.push(issueAt(value, 'an alias cannot stand for itself'));
    else if (aliases.entries.has(String(value.value))) {
      issues.push(issueAt(value, `"${value.value}" is an alias itself: name the model`));
    }
  }
  return issues;
}

/** A worker belongs to one cluster: its health, load and series are its own. */
function workerUrls(root: MapNode): ConfigIssue[] {
  const seen = new Map<string, ConfigNode>();
  const issues: ConfigIssue[] = [];
  for (const cluster of itemsOf(childOf(root, 'clusters'))) {
    for (const worker of itemsOf(childOf(cluster, 'workers'))) {
      const url = textOf(worker, 'url')?.replace(/\/+$/, '');
      if (url === undefined) continue;
      const first = seen.get(url);
      if (first === undefined) seen.set(url, worker);
      else issues.push(issueAt(worker, `the worker is already listed at ${formatOrigin(first.origin)}`));
    }
  }
  return issues;
}

/** A scheduler that has nothing to decide. */
function idleSchedulers(root: MapNode): ConfigIssue[] {
  return itemsOf(childOf(root, 'clusters')).flatMap((cluster) => {
    const scheduler = nodeAt(cluster, 'dp', 'scheduler');
    const aware = nodeAt(cluster, 'dp', 'aware');
    const decides = aware?.kind !== 'scalar' || aware.value !== false;
    return scheduler === undefined || decides ? [] : [issueAt(scheduler, 'has no effect with `aware: false`')];
  });
}

/** Cloud APIs that want more than a key, and clusters that say where their worker is twice or not at all. */
function providers(root: MapNode): ConfigIssue[] {
  return itemsOf(childOf(root, 'clusters')).flatMap((cluster) => {
    const ofCluster = childOf(cluster, 'provider');
    const issues: ConfigIssue[] = [];
    const url = childOf(cluster, 'url');
    if (url !== undefined) issues.push(issueAt(url, 'the cluster has workers: write the address there'));
    for (const worker of itemsOf(childOf(cluster, 'workers'))) {
      const node = childOf(worker, 'provider') ?? ofCluster;
      const address = textOf(worker, 'url') ?? '';
      const unbuilt = unbuiltProvider(node?.kind === 'scalar' ? String(node.value) : undefined, address);
      if (unbuilt !== undefined) issues.push(issueAt(node ?? childOf(worker, 'url') ?? worker, unbuilt.problem));
    }
    const name = textOf(cluster, 'provider');
    const places = ['workers', 'discovery', 'engine'];
    if (ofCluster === undefined || name === undefined || places.some((key) => childOf(cluster, key) !== undefined)) {
      return issues;
    }
    const unbuilt = unbuiltProvider(name, '');
    return [...issues, issueAt(ofCluster, unbuilt?.problem ?? `the address of "${name}" is not known: write url`)];
  });
}

/** Its name stands in logs and matches like those of the others. */
function adminListenerName(root: MapNode): ConfigIssue[] {
  if (nodeAt(root, 'admin', 'listener') === undefined) return [];
  return itemsOf(childOf(root, 'listeners')).flatMap((listener) => {
    const name = childOf(listener, 'name');
    if (name === undefined || textOf(listener, 'name') !== ADMIN_LISTENER) return [];
    return [issueAt(name, `the name "${ADMIN_LISTENER}" belongs to admin.listener`)];
  });
}

/** Somebody who writes `tls` does not expect clear text. SMG takes both side by side, so its defaults only warn. */
function clearTextUnderTls(root: MapNode): ConfigIssue[] {
  if (textOf(root, 'defaults') === 'smg') return [];
  return itemsOf(childOf(root, 'clusters')).flatMap((cluster) => {
    if (childOf(cluster, 'tls') === undefined) return [];
    return itemsOf(childOf(cluster, 'workers')).flatMap((worker) => {
      if (textOf(worker, 'url')?.startsWith('http:') !== true) return [];
      const message = 'is clear text, but its cluster has tls: write https://, or move it to another cluster';
      return [issueAt(childOf(worker, 'url') as ConfigNode, message)];
    });
  });
}

/** A probe listener has an address and nothing else. */
function probeListeners(root: MapNode): ConfigIssue[] {
  return itemsOf(childOf(root, 'listeners')).flatMap((listener) => {
    if (listener.kind !== 'map' || textOf(listener, 'kind') !== 'probe') return [];
    const issues: ConfigIssue[] = [];
    for (const key of ['tls', 'limits']) {
      const entry = listener.entries.get(key);
      if (entry === undefined) continue;
      const path = formatPath(entry.value.path);
      issues.push({
        origin: entry.keyOrigin,
        path,
        message: 'a probe listener speaks plain HTTP and has no such setting',
      });
    }
    if (!listener.entries.has('port')) issues.push(issueAt(listener, 'a probe listener needs a port'));
    return issues;
  });
}

interface SocketUse {
  readonly what: string;
  readonly host: string;
  readonly node: ConfigNode;
}

const ANY_ADDRESS = new Set(['0.0.0.0', '::', '[::]', '']);

function sockets(root: MapNode): ConfigIssue[] {
  const uses: (SocketUse & { readonly port: number })[] = [];
  const add = (what: string, node: ConfigNode | undefined, host: string, fallback: number): void => {
    const port = childOf(node, 'port');
    const number = port?.kind === 'scalar' ? Number(port.value) : fallback;
    if (node !== undefined && number > 0) uses.push({ what, host, port: number, node: port ?? node });
  };
  for (const listener of itemsOf(childOf(root, 'listeners'))) {
    const hasOwnPort = textOf(listener, 'kind') !== 'probe' || childOf(listener, 'port') !== undefined;
    if (!hasOwnPort) continue;
    add(`listener "${textOf(listener, 'name')}"`, listener, textOf(listener, 'host') ?? '0.0.0.0', 30_000);
  }
  const admin = nodeAt(root, 'admin', 'listener');
  add('the administration listener', admin, textOf(admin, 'host') ?? '127.0.0.1', 30_001);
  const prometheus = nodeAt(root, 'telemetry', 'metrics', 'prometheus');
  add('the metrics listener', prometheus, textOf(prometheus, 'host') ?? '127.0.0.1', 29_000);
  const issues: ConfigIssue[] = [];
  uses.forEach((use, index) => {
    const clash = uses.slice(0, index).find((other) => other.port === use.port && sameAddress(other.host, use.host));
    if (clash !== undefined) issues.push(issueAt(use.node, `port ${use.port} is already taken by ${clash.what}`));
  });
  return issues;
}

function sameAddress(a: string, b: string): boolean {
  return a === b || ANY_ADDRESS.has(a) || ANY_ADDRESS.has(b);
}
