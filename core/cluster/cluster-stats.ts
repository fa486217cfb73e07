import type { Counter, Family, Gauge, StatsScope } from '../api/stats.js';
import { workerId } from './worker-identity.js';
import type { WorkerSpec } from './worker-spec.js';

/** Where metrics are declared, and forgotten by the value of one label. */
export interface WorkerStatsScope extends StatsScope {
  removeLabelled(label: string, value: string): void;
}

/** Metrics of workers and of the connections to them. One instance per process. Workers are labelled by their id. */
export class ClusterStats {
  readonly #scope: WorkerStatsScope;
  readonly #health: Family<Gauge>;
  readonly #active: Family<Gauge>;
  readonly #checks: Family<Counter>;
  readonly #connections: Family<Gauge>;
  readonly #resends: Family<Counter>;

  constructor(scope: WorkerStatsScope) {
    this.#scope = scope;
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
    return this.#active.with(workerId(spec));
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

  setHealth(label: string, available: boolean): void {
    this.#health.with(label).set(available ? 1 : 0);
  }

  /** Deletes every series of a worker that is gone, those of filters included. */
  forget(label: string): void {
    this.#scope.removeLabelled('worker', label);
  }
}
