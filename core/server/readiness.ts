import type { GatewayConfig } from '../../config/gateway.js';
import type { Clock } from '../api/clock.js';
import type { Worker } from '../api/worker.js';
import type { ClusterSet } from '../cluster/clusters.js';
import type { ModelReadiness, WorkerCount } from './probe-answers.js';
import { BEAT_PERIOD_MS, ProbeBoard } from './probe-board.js';

/** Beats between two looks at all workers when no event asked for one: a second. */
const BEATS_PER_LOOK = Math.round(1000 / BEAT_PERIOD_MS);

/** What is looked at: the generation that new requests begin on. */
export interface ReadinessSources {
  readonly clusters: ClusterSet;
  readonly config: Pick<GatewayConfig, 'models'>;
}

const NOTHING: ModelReadiness = { models: new Map(), others: { healthy: 0, total: 0 } };

/**
 * Whether this gateway can serve, worked out when a worker changes and every second, so that a probe costs nothing. Also
 * the heartbeat by which another thread sees that the event loop runs. Its timer keeps no process alive.
 */
export class Readiness {
  readonly board = new ProbeBoard();
  table: ModelReadiness = NOTHING;
  readonly #sources: () => ReadinessSources | undefined;
  readonly #clock: Clock;
  readonly #onTable = new Set<(table: ModelReadiness) => void>();
  readonly #timer: NodeJS.Timeout;
  #lastBeatMs: number;
  #beats = 0;
  #asked = false;
  #signature = '';

  constructor(clock: Clock, sources: () => ReadinessSources | undefined) {
    this.#clock = clock;
    this.#sources = sources;
    this.#lastBeatMs = clock.monotonicMs();
    this.#timer = setInterval(() => this.#beat(), BEAT_PERIOD_MS);
    this.#timer.unref();
  }

  /** A worker changed. Many changes in one turn of the event loop cost one look. */
  invalidate(): void {
    if (this.#asked) return;
    this.#asked = true;
    setImmediate(() => this.refresh());
  }

  /** Looks at all workers now. */
  refresh(): void {
    this.#asked = false;
    const sources = this.#sources();
    if (sources === undefined) return;
    let [healthy, total, starting] = [0, 0, 0];
    for (const cluster of sources.clusters.list()) {
      const count = countOf(cluster.workers);
      healthy += count.healthy;
      total += count.total;
      for (const worker of cluster.workers) if (worker.health === 'pending') starting += 1;
    }
    this.board.setWorkers(healthy, total, starting);
    this.#setTable(tableOf(sources));
  }

  /** Calls `listener` with every table that differs from the one before. Returns the way to stop that. */
  onTable(listener: (table: ModelReadiness) => void): () => void {
    this.#onTable.add(listener);
    return () => void this.#onTable.delete(listener);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#onTable.clear();
  }

  #beat(): void {
    const nowMs = this.#clock.monotonicMs();
    this.board.beat(Math.max(0, nowMs - this.#lastBeatMs - BEAT_PERIOD_MS));
    this.#lastBeatMs = nowMs;
    if (++this.#beats % BEATS_PER_LOOK === 0) this.refresh();
  }

  #setTable(table: ModelReadiness): void {
    const signature = JSON.stringify([[...table.models], table.others]);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.table = table;
    for (const listener of this.#onTable) listener(table);
  }
}

/** By the rules of {@link ClusterSet.forModel}: the first cluster with a worker that names the model has it. */
function tableOf({ clusters, config }: ReadinessSources): ModelReadiness {
  const models = new Map<string, WorkerCount>();
  let others: WorkerCount = NOTHING.others;
  for (const cluster of clusters.list()) {
    for (const model of cluster.models()) {
      if (!models.has(model)) models.set(model, countOf(cluster.candidates(model)));
    }
    const wildcards = cluster.workers.filter((worker) => worker.models.length === 0);
    if (others.total === 0 && wildcards.length > 0) others = countOf(wildcards);
  }
  for (const [alias, model] of Object.entries(config.models.aliases)) models.set(alias, models.get(model) ?? others);
  return { models, others };
}

function countOf(workers: readonly Worker[]): WorkerCount {
  let healthy = 0;
  for (const worker of workers) if (worker.available) healthy++;
  return { healthy, total: workers.length };
}
