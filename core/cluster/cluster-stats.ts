import type { Counter, Family, Gauge, StatsScope } from '../api/stats.js';
import type { ManagedWorker } from './worker.js';
import { workerId } from './worker.js';
import type { WorkerSpec } from './worker-spec.js';

/** Metrics of workers and of the connections to them. One instance per process. Workers are labelled by their id. */
export class ClusterStats {
  readonly #health: Family<Gauge>;
  readonly #active: Family<Gauge>;
  readonly #checks: Family<Counter>;
  readonly #connections: Family<Gauge>;
  readonly #resends: Family<Counter>;

  constructor(scope: StatsScope) {
    this.#health = scope.gauge({
      name: 'smg_worker_health',
      help: '1 while the worker may be chosen, else 0',
      labels: ['worker'],
    });
    this.#active = scope.gauge({
      name: 'smg_worker_requests_active',
      help: 'Requests that the worker is serving for this gateway',
      labels: ['worker'],
    });
    this.#checks = scope.counter({
      name: 'smg_worker_health_checks_total',
      help: 'Health probes by result',
      labels: ['worker_type', 'result'],
    });
    this.#connections = scope.gauge({
      name: 'smg_worker_connections',
      help: 'Connections to the worker: open (in use or not) and idle',
      labels: ['worker', 'state'],
    });
    this.#resends = scope.counter({
      name: 'smg_worker_stale_resends_total',
      help: 'Requests sent again because a kept connection turned out to be closed',
      labels: ['worker'],
    });
  }

  loadGauge(spec: WorkerSpec): Gauge {
    return this.#active.with(workerId(spec.url));
  }

  countCheck(workerType: string, result: 'success' | 'failure'): Counter {
    return this.#checks.with(workerType, result);
  }

  openGauge(label: string): Gauge {
    return this.#connections.with(label, 'open');
  }

  idleGauge(label: string): Gauge {
    return this.#connections.with(label, 'idle');
  }

  resendCounter(label: string): Counter {
    return this.#resends.with(label);
  }

  /** Takes over the worker's health. */
  update(worker: ManagedWorker): void {
    this.#health.with(worker.id).set(worker.available ? 1 : 0);
  }

  /** Deletes the series of a worker that is gone. */
  forget(worker: ManagedWorker): void {
    this.#health.remove(worker.id);
    this.#active.remove(worker.id);
    this.#connections.remove(worker.id, 'open');
    this.#connections.remove(worker.id, 'idle');
    this.#resends.remove(worker.id);
  }
}
