import { createHash } from 'node:crypto';
import type { ClusterConfig } from '../../../config/gateway.js';
import type { DiscoveredWorker } from '../../api/discovery.js';
import type { WorkerSpec } from '../../cluster/worker-spec.js';
import { normalizeUrl, RecordError } from '../workers/worker-record.js';
import { recordSpec } from '../workers/worker-specs.js';

/** Labels that every discovered worker has; those of the worker itself cannot replace them. */
export const PROVIDER_LABEL = 'smg.ai/discovery-provider';
export const ID_LABEL = 'smg.ai/discovery-id';
export const HASH_LABEL = 'smg.ai/discovery-spec-hash';

/** The cluster that a discovery works for, as the configuration in force has it. */
export interface DiscoveryCluster {
  readonly config: ClusterConfig;
  /** Clear text to workers is refused where the cluster has TLS settings. */
  readonly strictTls: boolean;
}

/**
 * A discovered worker with its cluster's settings where it has none. Throws RecordError for a URL that cannot be used.
 * `provider`: type of the discovery.
 */
export function discoveredSpec(worker: DiscoveredWorker, provider: string, cluster: DiscoveryCluster): WorkerSpec {
  const { tls, name } = cluster.config;
  const bare = !worker.url.includes('://');
  const url = normalizeUrl(bare ? `${tls === undefined ? 'http' : 'https'}://${worker.url}` : worker.url);
  if (cluster.strictTls && tls !== undefined && url.startsWith('http:')) {
    throw new RecordError(`url: is clear text, but the cluster "${name}" has tls`);
  }
  if (worker.workerType !== undefined && worker.workerType !== 'regular') {
    throw new RecordError('worker_type: only regular is built yet');
  }
  return recordSpec(
    {
      url,
      runtime: worker.runtime,
      worker_type: worker.workerType,
      models: (worker.models ?? []).map((id) => ({ id })),
      priority: worker.priority,
      cost: worker.cost,
      weight: worker.weight,
      api_key: worker.apiKey,
      labels: {
        ...worker.labels,
        [PROVIDER_LABEL]: provider,
        [ID_LABEL]: worker.id ?? worker.url,
        [HASH_LABEL]: hashOf(worker),
      },
    },
    cluster.config,
  );
}

/** Tells two versions of a record apart. Without the key: labels are shown. */
function hashOf({ apiKey: _secret, ...record }: DiscoveredWorker): string {
  const sorted = Object.entries(record).sort(([left], [right]) => (left < right ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}
