import type { GatewayConfig } from '../../../config/gateway.js';
import type { Logger } from '../../api/log.js';
import { NetworkAllowList } from '../../cluster/network-allow-list.js';
import type { OverlayState } from './worker-overlay.js';

/** Why a worker at this URL must not be added to this cluster (undefined: the first one); undefined when it may. */
export async function refusalOf(
  { admin, clusters, defaults }: GatewayConfig,
  url: string,
  cluster: string | undefined,
): Promise<string | undefined> {
  const owner = clusters.find(({ name }) => cluster === undefined || name === cluster);
  if (owner?.tls !== undefined && url.startsWith('http:') && defaults === 'standard') {
    return `is clear text, but the cluster "${owner.name}" has tls`;
  }
  const { allow_networks: networks } = admin.workers;
  if (networks === undefined) return undefined;
  const verdict = await new NetworkAllowList(networks).check(url);
  return verdict.allowed ? undefined : verdict.reason;
}

/** What an earlier process kept, without the workers that this configuration would not take any more. */
export async function withoutRefused(
  state: OverlayState | undefined,
  config: GatewayConfig,
  log: Logger,
): Promise<OverlayState | undefined> {
  if (state === undefined) return undefined;
  const refusals = await Promise.all(state.workers.map(({ url, cluster }) => refusalOf(config, url, cluster)));
  const workers = state.workers.filter(({ url }, index) => {
    const refusal = refusals[index];
    if (refusal !== undefined) log.warn({ url, refusal }, 'a worker that was kept is not restored');
    return refusal === undefined;
  });
  return { ...state, workers };
}
