import * as z from 'zod';
import {
  byteSize,
  type Clock,
  type Cluster,
  type Clusters,
  ConfigError,
  type Counter,
  duration,
  type Family,
  type Gauge,
  type StatsScope,
} from '../../core/api/index.js';
import type { Mirrored } from './mirrored.js';

export const configSchema = z.strictObject({
  cluster: z.string().min(1).optional().describe('Cluster that gets the copies. Default none: nothing is copied.'),
  model: z.string().min(1).optional().describe('Model that is asked for there. Default: the one of the request.'),
  percent: z
    .number()
    .min(0)
    .max(100)
    .default(100)
    .describe('Share of the requests that is copied, 0 to 100. Default 100.'),
  max_in_flight: z
    .int()
    .min(1)
    .max(10_000)
    .default(16)
    .describe('Copies under way at once; beyond it requests are not copied. Default 16.'),
  max_body: byteSize(1, 64 * 1024 * 1024)
    .prefault('1MiB')
    .describe('Largest body that is copied, a size. Default 1MiB.'),
  timeout: duration(1).prefault('60s').describe('Time that one copy has in all. Default 60s.'),
});

export type MirrorSettings = z.output<typeof configSchema>;

/** Why a request that should have been copied was not. */
export type SkipReason = 'in_flight' | 'too_large';
/** `failed`: an error status, or a break. `aborted`: ended with its configuration. */
export type MirrorOutcome = 'complete' | 'failed' | 'aborted';

/** What the runs of one generation share; owns the copies that are under way. */
export class MirrorFilterConfig {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly model: string | undefined;
  readonly timeoutMs: number;
  readonly #settings: MirrorSettings;
  readonly #random: () => number;
  readonly #active = new Set<Mirrored>();
  readonly #inFlight: Gauge;
  readonly #requests: Family<Counter>;
  readonly #skipped: Family<Counter>;

  /** `random` gives values in [0, 1). */
  constructor(
    settings: MirrorSettings,
    clusterName: string,
    clusters: Clusters,
    clock: Clock,
    stats: StatsScope,
    random: () => number = Math.random,
  ) {
    const cluster = clusters.get(clusterName);
    if (cluster === undefined) throw new ConfigError(`there is no cluster "${clusterName}"`, ['cluster']);
    this.clock = clock;
    this.cluster = cluster;
    this.model = settings.model;
    this.timeoutMs = settings.timeout;
    this.#settings = settings;
    this.#random = random;
    this.#inFlight = stats
      .gauge({ name: 'smg_mirror_in_flight', help: 'Copies of requests under way', labels: ['cluster'] })
      .with(cluster.name);
    this.#requests = stats.counter({
      name: 'smg_mirror_requests_total',
      help: 'Copies of requests that have ended',
      labels: ['cluster', 'outcome'],
    });
    this.#skipped = stats.counter({
      name: 'smg_mirror_skipped_total',
      help: 'Requests that were not copied although it was their turn',
      labels: ['cluster', 'reason'],
    });
  }

  /** Whether a request with a body of that size is copied; counts one that is not although it was its turn. */
  takes(bodyBytes: number): boolean {
    const { max_body, max_in_flight, percent } = this.#settings;
    if (percent < 100 && this.#random() * 100 >= percent) return false;
    if (this.#active.size >= max_in_flight) return this.#skip('in_flight');
    return bodyBytes <= max_body || this.#skip('too_large');
  }

  #skip(reason: SkipReason): false {
    this.#skipped.with(this.cluster.name, reason).inc();
    return false;
  }

  onBegin(mirrored: Mirrored): void {
    this.#active.add(mirrored);
    this.#inFlight.inc();
  }

  onEnd(mirrored: Mirrored, outcome: MirrorOutcome): void {
    if (!this.#active.delete(mirrored)) return;
    this.#inFlight.dec();
    this.#requests.with(this.cluster.name, outcome).inc();
  }

  /** Ends what is under way: the configuration goes, and with it the clusters. */
  close(): void {
    for (const mirrored of [...this.#active]) mirrored.abort();
  }
}
