import type { Counter, Family, Gauge, StatsScope } from '../api/stats.js';
import type { BreakerState } from './circuit-breaker.js';

/** Labels of the states, by their number. */
const STATE_NAMES = ['closed', 'open', 'half_open'] as const;

/** Metrics of circuit breakers. One instance per process; workers are labelled by their id, and forgotten by it. */
export class ProtectionStats {
  /** Breakers that health checks let be tried before their time. */
  readonly readmissions: Counter;
  readonly #state: Family<Gauge>;
  readonly #transitions: Family<Counter>;
  readonly #outcomes: Family<Counter>;
  readonly #failures: Family<Gauge>;
  readonly #successes: Family<Gauge>;
  readonly #doubts: Family<Counter>;

  constructor(scope: StatsScope) {
    const labels = ['worker'];
    this.readmissions = scope
      .counter({
        name: 'smg_worker_cb_health_readmissions_total',
        help: 'Circuit breakers that became half-open because health checks found the worker well',
      })
      .with();
    this.#state = scope.gauge({
      name: 'smg_worker_cb_state',
      help: 'State of the circuit breaker: 0 closed, 1 open, 2 half-open',
      labels,
    });
    this.#transitions = scope.counter({
      name: 'smg_worker_cb_transitions_total',
      help: 'Changes of state of the circuit breaker',
      labels: ['worker', 'from', 'to'],
    });
    this.#outcomes = scope.counter({
      name: 'smg_worker_cb_outcomes_total',
      help: 'Attempts that spoke for or against the worker',
      labels: ['worker', 'outcome'],
    });
    this.#failures = scope.gauge({
      name: 'smg_worker_cb_consecutive_failures',
      help: 'Failures in a row in the present state',
      labels,
    });
    this.#successes = scope.gauge({
      name: 'smg_worker_cb_consecutive_successes',
      help: 'Successes in a row in the present state',
      labels,
    });
    this.#doubts = scope.counter({
      name: 'smg_worker_stall_transitions_total',
      help: 'Times that a worker was taken out because of missing signs of life',
      labels: ['worker', 'reason'],
    });
  }

  countDoubt(id: string, reason: 'stall' | 'stale' | 'wedge'): void {
    this.#doubts.with(id, reason).inc();
  }

  ofWorker(id: string): WorkerBreakerStats {
    return new WorkerBreakerStats({
      id,
      state: this.#state.with(id),
      transitions: this.#transitions,
      successes: this.#outcomes.with(id, 'success'),
      failures: this.#outcomes.with(id, 'failure'),
      failureRun: this.#failures.with(id),
      successRun: this.#successes.with(id),
    });
  }
}

interface BreakerSeries {
  readonly id: string;
  readonly state: Gauge;
  readonly transitions: Family<Counter>;
  readonly successes: Counter;
  readonly failures: Counter;
  readonly failureRun: Gauge;
  readonly successRun: Gauge;
}

/** Bound series of one worker. */
export class WorkerBreakerStats {
  readonly #series: BreakerSeries;

  constructor(series: BreakerSeries) {
    this.#series = series;
  }

  setState(state: BreakerState): void {
    this.#series.state.set(state);
  }

  setRuns(failures: number, successes: number): void {
    this.#series.failureRun.set(failures);
    this.#series.successRun.set(successes);
  }

  countOutcome(ok: boolean): void {
    (ok ? this.#series.successes : this.#series.failures).inc();
  }

  countTransition(from: BreakerState, to: BreakerState): void {
    this.setState(to);
    this.#series.transitions.with(this.#series.id, STATE_NAMES[from], STATE_NAMES[to]).inc();
  }
}
