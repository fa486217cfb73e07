import * as z from 'zod';
import {
  type Clock,
  type Counter,
  duration,
  type Family,
  type GatewayError,
  type Histogram,
  type StatsScope,
} from '../../core/api/index.js';
import { Backoff } from './backoff.js';
import { RetryBudget } from './retry-budget.js';

/** A wait, at least 1 ms, at most a day. */
const delay = duration(1, 24 * 3_600_000);

const backoffSchema = z
  .strictObject({
    initial: delay.prefault('50ms').describe('First wait, a duration. Default 50ms.'),
    max: delay
      .prefault('30s')
      .describe('Longest wait, a duration; also the longest `Retry-After` that is waited for. Default 30s.'),
    factor: z.number().min(1).max(100).default(1.5).describe('Growth from one wait to the next. Default 1.5.'),
    jitter: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('Share by which a wait is made shorter or longer. Default 0.2.'),
  })
  .refine((backoff) => backoff.max >= backoff.initial, { error: 'must be at least `initial`', path: ['max'] })
  .prefault({})
  .describe('Waits before a worker is tried again. There is none before a worker that the request has not tried.');

const budgetSchema = z
  .strictObject({
    ratio: z.number().min(0).max(100).default(0.2).describe('Retries per recent request. Default 0.2.'),
    min_per_second: z.number().min(0).max(1e6).default(10).describe('Retries per second beside the ratio. Default 10.'),
  })
  .prefault({})
  .describe('Bound on the retries of all requests together, over the last 10 seconds.');

/** Details of the time limit that counts as a failure to connect too. */
const CONNECT_TIMEOUT = 'connect_timeout';

const CONDITIONS = ['connect', 'reset', 'timeout', '5xx'] as const;

/** One entry of `when`: a kind of failure, or a status. */
export type RetryCondition = (typeof CONDITIONS)[number] | number;

const DEFAULT_CONDITIONS: readonly RetryCondition[] = ['connect', 'reset', 'timeout', '5xx', 408, 429];

/** What `5xx` stands for: those that another try may mend. */
const SERVER_STATUSES: readonly number[] = [500, 502, 503, 504, 529];

export const configSchema = z.strictObject({
  attempts: z
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe('Attempts in total, the first included; 1 switches retries off. Default 5.'),
  backoff: backoffSchema,
  when: z
    .array(z.union([z.enum(CONDITIONS), z.int().min(400).max(599)]))
    .default([...DEFAULT_CONDITIONS])
    .describe(
      'Failures that are retried: connect (also too slowly), reset (also garbled answers), timeout, 5xx (500, 502, 503, 504, 529), or a status. ' +
        'Default connect, reset, timeout, 5xx, 408, 429.',
    ),
  budget: budgetSchema,
});

export type RetrySettings = z.output<typeof configSchema>;

/** What the runs of one generation share; the budget is here. */
export class RetryFilterConfig {
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly stats: RetryStats;
  readonly #statuses: ReadonlySet<number>;
  readonly #connect: boolean;
  readonly #reset: boolean;
  readonly #timeout: boolean;

  /** `random` gives values in [0, 1). */
  constructor(settings: RetrySettings, clock: Clock, stats: StatsScope, random: () => number = Math.random) {
    const { initial, max, factor, jitter } = settings.backoff;
    this.attempts = settings.attempts;
    this.backoff = new Backoff({ initialMs: initial, maxMs: max, factor, jitter }, random);
    this.budget = new RetryBudget({ ratio: settings.budget.ratio, minPerSecond: settings.budget.min_per_second });
    this.clock = clock;
    this.stats = new RetryStats(stats, settings.attempts);
    const statuses = settings.when.filter((condition) => typeof condition === 'number');
    this.#statuses = new Set(settings.when.includes('5xx') ? [...statuses, ...SERVER_STATUSES] : statuses);
    this.#connect = settings.when.includes('connect');
    this.#reset = settings.when.includes('reset');
    this.#timeout = settings.when.includes('timeout');
  }

  /** Whether a worker's answer with this status is worth another try. */
  retriesStatus(status: number): boolean {
    return status >= 400 && this.#statuses.has(status);
  }

  /** Whether an error is, one that the gateway made or a worker's that was read. */
  retriesError(error: GatewayError): boolean {
    if (error.upstreamStatus !== undefined) return error.retryable && this.retriesStatus(error.upstreamStatus);
    switch (error.code) {
      case 'upstream_connect_failed':
        return this.#connect;
      case 'upstream_reset':
      case 'upstream_protocol_error':
        return this.#reset;
      case 'upstream_timeout':
        return this.#timeout || (this.#connect && error.details === CONNECT_TIMEOUT);
      default:
        return error.retryable && this.#statuses.has(error.status);
    }
  }
}

/** The filter's metrics, bound as far as their labels are known at load. */
export class RetryStats {
  readonly retries: Family<Counter>;
  readonly exhausted: Family<Counter>;
  readonly budgetExhausted: Counter;
  readonly #backoffs: readonly Histogram[];

  constructor(stats: StatsScope, attempts: number) {
    const labels = ['worker_type', 'endpoint'];
    this.retries = stats.counter({
      name: 'smg_worker_retries_total',
      help: 'Further attempts that were begun',
      labels,
    });
    this.exhausted = stats.counter({
      name: 'smg_worker_retries_exhausted_total',
      help: 'Requests that ended with a failure that would have been retried, had there been attempts, time or budget left',
      labels,
    });
    this.budgetExhausted = stats
      .counter({
        name: 'smg_retry_budget_exhausted_total',
        help: 'Retries that were not made because the budget was used up',
      })
      .with();
    const backoff = stats.histogram({
      name: 'smg_worker_retry_backoff_seconds',
      help: 'Waits before a worker was tried again',
      labels: ['attempt'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    });
    this.#backoffs = Array.from({ length: attempts - 1 }, (_, index) => backoff.with(String(index + 1)));
  }

  /** `attempt`: how many had been made before the wait. */
  observeBackoff(attempt: number, delayMs: number): void {
    this.#backoffs[attempt - 1]?.observe(delayMs / 1000);
  }
}
