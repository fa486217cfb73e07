import { type ConfigNode, formatOrigin, formatPath, type MapNode } from './config-node.js';
import type { GatewayConfig } from './gateway.js';
import { isSecretKey } from './secret.js';

const LOOPBACK = /^(?:127\.|::1$|localhost$)/;

/** What works but is probably not meant. One line each, without values. */
export function loadWarnings(tree: MapNode, config: GatewayConfig): string[] {
  return [...literalSecrets(tree), ...openListeners(config), ...idleClusters(config)];
}

/** Secrets that stand in a file in clear text. */
function literalSecrets(tree: MapNode): string[] {
  const warnings: string[] = [];
  const visit = (node: ConfigNode, secret: boolean): void => {
    if (node.kind === 'list') for (const item of node.items) visit(item, secret);
    else if (node.kind === 'map') {
      // Labels are no secrets, whatever they are called.
      for (const [key, entry] of node.entries) if (key !== 'labels') visit(entry.value, isSecretKey(key));
    } else if (
      (secret || node.hidden) &&
      typeof node.value === 'string' &&
      node.placeholder === undefined &&
      node.origin.source === 'file'
    ) {
      const place = formatOrigin(node.origin);
      warnings.push(`${place} ${formatPath(node.path)}: a secret in clear text; better $NAME or $file:/path`);
    }
  };
  visit(tree, false);
  return warnings;
}

function openListeners(config: GatewayConfig): string[] {
  const auth = config.filters.find((filter) => filter.type === 'auth');
  if (auth !== undefined && Object.keys(auth.config).length > 0) return [];
  return config.listeners
    .filter((listener) => !LOOPBACK.test(listener.host))
    .map((listener) => `listener "${listener.name}" on ${listener.host} is open: no auth.api_key is set`);
}

function idleClusters(config: GatewayConfig): string[] {
  if (config.clusters.length === 0) return ['there are no clusters: every model is unknown'];
  return config.clusters
    .filter((cluster) => cluster.workers.length === 0 && cluster.engine === undefined)
    .map((cluster) => `cluster "${cluster.name}" has no workers`);
}
