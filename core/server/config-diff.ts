import { isDeepStrictEqual } from 'node:util';
import type { ClusterConfig, GatewayConfig } from '../../config/gateway.js';

/** What differs between two configurations, one line each, for the log. Names and URLs, never settings or secrets. */
export function describeChanges(before: GatewayConfig, after: GatewayConfig): string[] {
  const lines: string[] = [];
  diffNamed('listener', before.listeners, after.listeners, lines);
  diffNamed('filter', before.filters.map(settingsOf), after.filters.map(settingsOf), lines);
  const order = (config: GatewayConfig): string => config.filters.map((filter) => filter.name).join(' → ');
  if (order(before) !== order(after)) lines.push(`filter chain: ${order(after)}`);
  diffNamed('route', before.routes, after.routes, lines);
  diffClusters(before.clusters, after.clusters, lines);
  for (const key of ['models', 'plugins', 'telemetry', 'admin', 'runtime'] as const) {
    if (!isDeepStrictEqual(before[key], after[key])) lines.push(`${key} changed`);
  }
  return lines;
}

/** Without the place where it was written, which moves with every edit above it. */
function settingsOf(filter: GatewayConfig['filters'][number]): { name: string; settings: unknown } {
  return { name: filter.name, settings: [filter.type, filter.config, filter.match] };
}

function diffNamed(
  kind: string,
  before: readonly { readonly name: string }[],
  after: readonly { readonly name: string }[],
  lines: string[],
): void {
  for (const item of before) {
    const other = after.find((candidate) => candidate.name === item.name);
    if (other === undefined) lines.push(`${kind} "${item.name}" removed`);
    else if (!isDeepStrictEqual(item, other)) lines.push(`${kind} "${item.name}" changed`);
  }
  for (const item of after) {
    if (!before.some((candidate) => candidate.name === item.name)) lines.push(`${kind} "${item.name}" added`);
  }
}

function diffClusters(before: readonly ClusterConfig[], after: readonly ClusterConfig[], lines: string[]): void {
  const withoutWorkers = (cluster: ClusterConfig): { name: string } =>
    ({ ...cluster, workers: [] }) as { name: string };
  diffNamed('cluster', before.map(withoutWorkers), after.map(withoutWorkers), lines);
  for (const cluster of after) {
    const old = before.find((candidate) => candidate.name === cluster.name);
    if (old === undefined) continue;
    for (const worker of old.workers) {
      const now = cluster.workers.find((candidate) => candidate.url === worker.url);
      if (now === undefined) lines.push(`cluster "${cluster.name}": worker ${worker.url} removed`);
      else if (!isDeepStrictEqual(worker, now)) lines.push(`cluster "${cluster.name}": worker ${worker.url} changed`);
    }
    for (const worker of cluster.workers) {
      const known = old.workers.some((candidate) => candidate.url === worker.url);
      if (!known) lines.push(`cluster "${cluster.name}": worker ${worker.url} added`);
    }
  }
}
