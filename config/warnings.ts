import { type ConfigNode, formatOrigin, formatPath, type MapNode } from './config-node.js';
import type { GatewayConfig } from './gateway.js';
import { ADMIN_LISTENER, isLoopback } from './listener.js';
import { isSecretKey, Secret } from './secret.js';
import { parseCertificates } from './tls.js';

/** What works but is probably not meant. One line each, without values. */
export function loadWarnings(tree: MapNode, config: GatewayConfig): string[] {
  return [
    ...literalSecrets(tree),
    ...openListeners(config),
    ...sharedKeys(config),
    ...weakTls(config),
    ...idleClusters(config),
  ];
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

const CLOSED_BY = 'set auth.admin.keys (or auth.api_key), or give them a listener of their own with admin.listener';

/** What the filter `auth` asks for, as it was written. */
function authOf(config: GatewayConfig): { clients: boolean; administrators: boolean } {
  const auth = config.filters.find((filter) => filter.type === 'auth')?.config ?? {};
  const count = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
  const clients = auth.api_key !== undefined || count(auth.tenants) + count(auth.keys) > 0;
  return { clients, administrators: count((auth.admin as { keys?: unknown } | undefined)?.keys) > 0 };
}

/** Addresses that others can reach, without a lock. */
function openListeners(config: GatewayConfig): string[] {
  const { clients, administrators } = authOf(config);
  const reachable = config.listeners.filter(({ kind, host }) => kind === 'http' && !isLoopback(host));
  const warnings = clients
    ? []
    : reachable.map(({ name, host }) => `listener "${name}" on ${host} is open: no auth.api_key is set`);
  if (clients || administrators) return warnings;
  const { listener } = config.admin;
  const controls = listener === undefined ? reachable : [{ ...listener, name: ADMIN_LISTENER }];
  for (const { name, host } of controls) {
    if (isLoopback(host)) continue;
    const what = `administration endpoints (/workers) on listener "${name}" at ${host}`;
    warnings.push(
      config.defaults === 'smg'
        ? `SECURITY: ${what} are open to everybody who can reach it: ${CLOSED_BY}`
        : `${what} answer 403, since nothing protects them: ${CLOSED_BY}`,
    );
  }
  return warnings;
}

/** One key for both planes makes every client an administrator. */
function sharedKeys(config: GatewayConfig): string[] {
  const auth = config.filters.find((filter) => filter.type === 'auth')?.config;
  const prints = (value: unknown): string[] => {
    if (value instanceof Secret) return [value.fingerprint];
    if (Array.isArray(value)) return value.flatMap(prints);
    const key = (value as { key?: unknown } | undefined)?.key;
    return key === undefined ? [] : prints(key);
  };
  const clients = new Set([auth?.api_key, auth?.tenants, auth?.keys].flatMap(prints));
  const administrators = prints((auth?.admin as { keys?: unknown } | undefined)?.keys);
  if (!administrators.some((print) => clients.has(print))) return [];
  return ['SECURITY: a key of auth.admin.keys is a key of clients too: whoever has it may administrate'];
}

/** Certificates that have ended, and checks that are switched off. */
function weakTls(config: GatewayConfig): string[] {
  const warnings: string[] = [];
  const checkDates = (what: string, pem: string | undefined): void => {
    const ended =
      pem === undefined ? undefined : parseCertificates(pem).find((each) => Date.parse(each.validTo) < Date.now());
    if (ended !== undefined) warnings.push(`${what}: a certificate ended on ${ended.validTo}`);
  };
  for (const { name, tls } of config.listeners) checkDates(`listener "${name}"`, tls?.cert);
  checkDates('the administration listener', config.admin.listener?.tls?.cert);
  for (const { name, tls, workers } of config.clusters) {
    if (tls === undefined) continue;
    checkDates(`cluster "${name}"`, tls.cert);
    if (!tls.verify) warnings.push(`SECURITY: cluster "${name}" takes any certificate: tls.verify is false`);
    if (workers.some(({ url }) => url.startsWith('http:'))) {
      warnings.push(`cluster "${name}" has tls, which does nothing for its http:// workers`);
    }
  }
  return warnings;
}

function idleClusters(config: GatewayConfig): string[] {
  return config.clusters
    .filter(({ workers, engine, discovery }) => workers.length === 0 && (engine ?? discovery) === undefined)
    .map((cluster) => `cluster "${cluster.name}" has no workers yet: add some to it, or with POST /workers`);
}
