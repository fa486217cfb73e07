import type { Family, Gauge, StatsScope } from '../api/stats.js';
import type { ManagedWorker } from './worker.js';

/** Model of workers that name none. */
const ANY_MODEL = 'unknown';

/** Series that one worker has now. */
interface ShownLoad {
  readonly model: string;
  readonly ranks: readonly string[];
}

/**
 * Metrics of what engines report. One instance per process. The series of a worker are there for as long as its last report
 * is known ({@link ManagedWorker.engineLoad}): an old figure is worse than none.
 */
export class LoadStats {
  readonly #running: Family<Gauge>;
  readonly #waiting: Family<Gauge>;
  readonly #usage: Family<Gauge>;
  readonly #overloaded: Family<Gauge>;
  readonly #reported = new Map<ManagedWorker, ShownLoad>();
  /** Models under which each overloaded worker is counted now. */
  readonly #shown = new Map<ManagedWorker, readonly string[]>();
  readonly #counts = new Map<string, number>();

  constructor(scope: StatsScope) {
    const labels = ['worker', 'model', 'dp_rank'];
    this.#running = scope.gauge({
      name: 'smg_engine_running_requests',
      help: 'Requests in the batch of the engine, as it reports them',
      labels,
    });
    this.#waiting = scope.gauge({
      name: 'smg_engine_waiting_requests',
      help: 'Requests in the queue of the engine, as it reports them',
      labels,
    });
    this.#usage = scope.gauge({
      name: 'smg_engine_token_usage',
      help: 'Share of the KV memory of the engine in use, 0 to 1, as it reports it',
      labels,
    });
    this.#overloaded = scope.gauge({
      name: 'smg_workers_overloaded',
      help: 'Workers that get no requests because their engines have too much to do',
      labels: ['model'],
    });
  }

  /** The last report of the worker is another one, or there is none any more. What it leaves out keeps no old value. */
  showLoad(worker: ManagedWorker): void {
    const load = worker.engineLoad;
    if (load === undefined) {
      this.#hide(worker, () => false);
      this.#reported.delete(worker);
      return;
    }
    const model = worker.models[0] ?? ANY_MODEL;
    const ranks = load.ranks.map(({ dpRank }) => String(dpRank));
    this.#hide(worker, (shownModel, rank) => shownModel === model && ranks.includes(rank));
    this.#reported.set(worker, { model, ranks });
    for (const rank of load.ranks) {
      const labels = [worker.id, model, String(rank.dpRank)];
      show(this.#running, labels, rank.numRunningReqs);
      show(this.#waiting, labels, rank.numWaitingReqs);
      show(this.#usage, labels, rank.tokenUsage);
    }
  }

  /** Takes away the series that are shown and not to be kept. */
  #hide(worker: ManagedWorker, keeps: (model: string, rank: string) => boolean): void {
    const shown = this.#reported.get(worker);
    if (shown === undefined) return;
    for (const rank of shown.ranks) {
      if (keeps(shown.model, rank)) continue;
      const labels = [worker.id, shown.model, rank];
      for (const family of [this.#running, this.#waiting, this.#usage]) family.remove(...labels);
    }
  }

  /** Something about the worker has changed. */
  showOverloaded(worker: ManagedWorker, removed: boolean): void {
    const before = this.#shown.get(worker);
    const counts = worker.overloaded && !removed;
    if (before === undefined && !counts) return;
    for (const model of before ?? []) this.#add(model, -1);
    if (!counts) {
      this.#shown.delete(worker);
      return;
    }
    const models = worker.models.length > 0 ? worker.models : [ANY_MODEL];
    this.#shown.set(worker, models);
    for (const model of models) this.#add(model, 1);
  }

  #add(model: string, by: number): void {
    const count = (this.#counts.get(model) ?? 0) + by;
    this.#counts.set(model, count);
    this.#overloaded.with(model).set(count);
  }
}

function show(family: Family<Gauge>, labels: readonly string[], value: number | undefined): void {
  if (value === undefined) family.remove(...labels);
  else family.with(...labels).set(value);
}
