import type { Attempt, Counter, Family, Histogram, StatsScope, Worker } from '../../core/api/index.js';
import { BoundCounters, childMap } from './bound-counters.js';
import { kindOf } from './worker-kind.js';

/** Bound series of one worker. */
interface WorkerSeries {
  readonly duration: Histogram;
  /** By model label. */
  readonly requests: BoundCounters;
}

/** Metrics of single attempts, by the worker's id; never its URL, which may be a secret of the operator's network. */
export class WorkerMetrics {
  readonly #requests: Family<Counter>;
  readonly #duration: Family<Histogram>;
  readonly #responses: Family<Counter>;
  readonly #attempts: Family<Counter>;
  /** Goes with the worker: one that comes back under the same id binds anew, after its old series were removed. */
  readonly #byWorker = new WeakMap<Worker, WorkerSeries>();
  /** By router type, in it by status. */
  readonly #responsesOf = new Map<string, Map<number, BoundCounters>>();
  readonly #attemptsOf = new Map<string, BoundCounters>();

  constructor(stats: StatsScope, durationBuckets: readonly number[]) {
    this.#requests = stats.counter({
      name: 'smg_worker_requests_total',
      help: 'Attempts sent to a worker',
      labels: ['worker', 'model'],
    });
    this.#duration = stats.histogram({
      name: 'smg_worker_request_duration_seconds',
      help: 'From choosing the worker to the end of the attempt',
      labels: ['worker'],
      buckets: durationBuckets,
    });
    this.#responses = stats.counter({
      name: 'smg_router_upstream_responses_total',
      help: 'Attempts by the status that the worker answered (none: it did not) and the error that ended them',
      labels: ['router_type', 'status_code', 'error_code'],
    });
    this.#attempts = stats.counter({
      name: 'smg_upstream_attempts_total',
      help: 'Attempts by cluster and outcome: class of the status, or the error that ended them',
      labels: ['cluster', 'outcome'],
    });
  }

  /** Records the attempts of a request that has ended. */
  onEnd(attempts: readonly Attempt[], model: string, endedMs: number): void {
    for (const attempt of attempts) {
      const { worker, status, error } = attempt;
      const series = this.#seriesOf(worker);
      series.requests.get(model).inc();
      const end = attempt.endedMs === 0 ? endedMs : attempt.endedMs;
      series.duration.observe((end - attempt.startedMs) / 1000);
      this.#responseCounters(kindOf(worker).router, status)
        .get(error ?? '')
        .inc();
      this.#attemptCounters(worker.cluster)
        .get(error ?? statusClass(status))
        .inc();
    }
  }

  #seriesOf(worker: Worker): WorkerSeries {
    let series = this.#byWorker.get(worker);
    if (series === undefined) {
      series = {
        duration: this.#duration.with(worker.id),
        requests: new BoundCounters((model) => this.#requests.with(worker.id, model)),
      };
      this.#byWorker.set(worker, series);
    }
    return series;
  }

  #responseCounters(routerType: string, status: number): BoundCounters {
    const byStatus = childMap(this.#responsesOf, routerType);
    let counters = byStatus.get(status);
    if (counters === undefined) {
      const code = status === 0 ? 'none' : String(status);
      counters = new BoundCounters((error) => this.#responses.with(routerType, code, error));
      byStatus.set(status, counters);
    }
    return counters;
  }

  #attemptCounters(cluster: string): BoundCounters {
    let counters = this.#attemptsOf.get(cluster);
    if (counters === undefined) {
      counters = new BoundCounters((outcome) => this.#attempts.with(cluster, outcome));
      this.#attemptsOf.set(cluster, counters);
    }
    return counters;
  }
}

function statusClass(status: number): string {
  if (status < 200) return 'abandoned';
  if (status < 300) return '2xx';
  if (status < 400) return '3xx';
  return status < 500 ? '4xx' : '5xx';
}
