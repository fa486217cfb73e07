import type { GatewayConfig } from '../../../config/gateway.js';
import type { Logger } from '../../api/log.js';
import { NetworkAllowList } from '../../cluster/network-allow-list.js';
import type { OverlayState } from './worker-overlay.js';
import { clusterFor } from './worker-specs.js';

/** Why a worker at this URL must not be added to this cluster (undefined: the first one); undefined when it may. */
export async function refusalOf(
  { admin, clusters, defaults }: GatewayConfig,
  url: string,
  cluster: string | undefined,
): Promise<string | undefined> {
  const owner = clusterFor(clusters, cluster);
  if (owner?.tls !== undefined && url.startsWith('http:') && defaults === 'standard') {
    return `is clear text, but the cluster "${owner.name}" has tls`;
  }
  const { allow_networks: networks } = admin.workers;
  if (networks === undefined) return undefined;
  const verdict = await new NetworkAllowList(networks).check(url);
  return verdict.allowed ? undefined : verdict.reason;
}

/** URLs of kept workers that this configuration does not take (any more, or for now: a name may not resolve). */
export async function refusedUrls(
  state: OverlayState | undefined,
  config: GatewayConfig,
  log: Logger,
): Promise<ReadonlySet<string>> {
  if (state === undefined) return new Set();
  const refusals = await Promise.all(state.workers.map(({ url, cluster }) => refusalOf(config, url, cluster)));
  const refused = new Set<string>();
  for (const [index, { url }] of state.workers.entries()) {
    const refusal = refusals[index];
    if (refusal === undefined) continue;
    log.warn({ url, refusal }, 'a worker that was kept is not restored');
    refused.add(url);
  }
  return refused;
}
