import * as z from 'zod';
import {
  type Clock,
  type Cluster,
  type Clusters,
  ConfigError,
  type Counter,
  headerName,
  type StatsScope,
} from '../../core/api/index.js';

/** YAML of the filter. */
export const configSchema = z.strictObject({
  clusters: z
    .record(z.string().min(1), z.number().min(0).max(1e6))
    .default({})
    .refine((weights) => Object.keys(weights).length === 0 || Object.values(weights).some((weight) => weight > 0), {
      error: 'at least one weight must be above 0',
    })
    .describe('Weights by cluster; only their ratio counts. 0 takes a cluster out. Default none: no split.'),
  sticky: headerName()
    .optional()
    .describe('Header whose value decides: equal values go to the same cluster. Without it, or the header: at random.'),
});

export type SplitSettings = z.output<typeof configSchema>;

/** One side of a split. */
interface Share {
  readonly cluster: Cluster;
  readonly weight: number;
  readonly chosen: Counter;
}

/** What the runs of one generation share. */
export class SplitFilterConfig {
  readonly clock: Clock;
  readonly sticky: string | undefined;
  readonly #shares: readonly Share[];
  readonly #random: () => number;

  /** `random` gives values in [0, 1). */
  constructor(
    settings: SplitSettings,
    clusters: Clusters,
    clock: Clock,
    stats: StatsScope,
    random: () => number = Math.random,
  ) {
    this.clock = clock;
    this.sticky = settings.sticky;
    this.#random = random;
    const chosen = stats.counter({
      name: 'smg_split_requests_total',
      help: 'Requests that a split sent to a cluster',
      labels: ['cluster'],
    });
    this.#shares = Object.entries(settings.clusters).flatMap(([name, weight]) => {
      const cluster = clusters.get(name);
      if (cluster === undefined) throw new ConfigError(`there is no cluster "${name}"`, ['clusters', name]);
      return weight > 0 ? [{ cluster, weight, chosen: chosen.with(name) }] : [];
    });
  }

  /**
   * A cluster of those that have the model, by weight; undefined when none has it. `key`: what decides; undefined: chance.
   */
  choose(key: string | undefined, model: string | undefined): Cluster | undefined {
    let total = 0;
    for (const { cluster, weight } of this.#shares) if (cluster.serves(model)) total += weight;
    let left = (key === undefined ? this.#random() : unitHash(key)) * total;
    let last: Share | undefined;
    for (const share of this.#shares) {
      if (!share.cluster.serves(model)) continue;
      last = share;
      left -= share.weight;
      if (left < 0) break;
    }
    last?.chosen.inc();
    return last?.cluster;
  }
}

/** A number in [0, 1), evenly spread over keys: FNV-1a, its bits mixed as MurmurHash3 ends. Equal on every gateway. */
export function unitHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
