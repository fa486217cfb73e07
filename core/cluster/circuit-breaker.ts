import type { ValueOf } from '../api/scalars.js';

/** States of a breaker; the numbers are the values of the metric `smg_worker_cb_state`. */
export const BreakerState = { Closed: 0, Open: 1, HalfOpen: 2 } as const;
export type BreakerState = ValueOf<typeof BreakerState>;

/** When a breaker opens and how it closes again. */
export interface BreakerSettings {
  /** Failures in a row that open it, ≥ 1. */
  readonly failures: number;
  /** Good answers that close a half-open one; also how many requests may try it at a time. ≥ 1. */
  readonly successes: number;
  /** How long it stays open, ms. */
  readonly openMs: number;
  /** Time over which the share of failures is taken, ms. */
  readonly windowMs: number;
}

/** 10 failures in a row open it for 60 s, 3 good answers close it; the share is taken over 2 min. */
export const DEFAULT_BREAKER: BreakerSettings = { failures: 10, successes: 3, openMs: 60_000, windowMs: 120_000 };

/** Share of failures that opens it too, once there were {@link MIN_REQUESTS} outcomes within the window. */
const FAILURE_SHARE = 0.5;
const MIN_REQUESTS = 20;
const BUCKETS = 12;

/** How long a worker that was let back in takes to come to its whole share, ms. */
export const SLOW_START_MS = 30_000;
/** Part of its share at the beginning of that. */
const SLOW_START_FROM = 0.1;

/** Over all breakers: a worker may get a new one while a request that tried it under the old one still runs. */
let lastEpisode = 0;

/**
 * Breaker of one worker, as a function of outcomes and of the time that is passed in (monotonic ms, never decreasing).
 * Holds no timer: who drives it calls `tick` when an open one is due.
 *
 * Closed: opens after `failures` in a row, or when at least half of 20 or more outcomes within the window were failures (one
 * success among many failures must not hide them). Open: nothing passes for `openMs`. Half-open: as many requests at a time
 * as successes are needed; that many good answers close it, one failure opens it for as long again. What a request that was
 * begun before the present state began brings to light is old news and changes nothing.
 */
export class CircuitBreaker {
  state: BreakerState = BreakerState.Closed;
  /** In a row, in the present state. */
  consecutiveFailures = 0;
  consecutiveSuccesses = 0;
  #settings: BreakerSettings;
  /** When the present state began. */
  #sinceMs = Number.NEGATIVE_INFINITY;
  /** Closed after having been open, rather than never opened. */
  #recovered = false;
  /** Names the present half-open state; a probe of an earlier one gives nothing back. */
  #episode = 0;
  #probes = 0;
  readonly #window: OutcomeWindow;

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
    this.#window = new OutcomeWindow(settings.windowMs);
  }

  /** Other limits from the next outcome on; the present state stays. */
  configure(settings: BreakerSettings): void {
    if (settings.windowMs !== this.#settings.windowMs) this.#window.reset(settings.windowMs);
    this.#settings = settings;
  }

  /** Requests that try a half-open worker now. */
  get probes(): number {
    return this.#probes;
  }

  /** When an open one becomes half-open; undefined in the other states. */
  get halfOpenAtMs(): number | undefined {
    return this.state === BreakerState.Open ? this.#sinceMs + this.#settings.openMs : undefined;
  }

  /** Whether a further request may go to the worker. */
  get permits(): boolean {
    if (this.state === BreakerState.Closed) return true;
    return this.state === BreakerState.HalfOpen && this.#probes < this.#settings.successes;
  }

  /** One request goes to the worker. The result is for {@link onDone}. */
  onDispatch(): number {
    if (this.state !== BreakerState.HalfOpen) return 0;
    this.#probes += 1;
    return this.#episode;
  }

  /** It is over, whatever became of it. `ticket`: from {@link onDispatch}; once. */
  onDone(ticket: number): void {
    if (ticket !== 0 && ticket === this.#episode && this.state === BreakerState.HalfOpen) this.#probes -= 1;
  }

  /** A good answer has begun. A half-open worker need not finish long ones before it is believed. */
  onAnswering(nowMs: number, startedMs: number): void {
    if (this.state !== BreakerState.HalfOpen || startedMs < this.#sinceMs) return;
    this.consecutiveSuccesses += 1;
    if (this.consecutiveSuccesses < this.#settings.successes) return;
    this.#enter(BreakerState.Closed, nowMs);
    this.#recovered = true;
    this.#window.reset(this.#settings.windowMs);
  }

  /** A good answer was seen to its end. */
  onSuccess(nowMs: number, startedMs: number): void {
    if (this.state !== BreakerState.Closed || startedMs < this.#sinceMs) return;
    this.consecutiveFailures = 0;
    this.consecutiveSuccesses += 1;
    this.#window.add(nowMs, false);
  }

  /** A request has failed, by the fault of the worker. */
  onFailure(nowMs: number, startedMs: number): void {
    if (startedMs < this.#sinceMs) return;
    if (this.state === BreakerState.HalfOpen) {
      this.#enter(BreakerState.Open, nowMs);
    } else if (this.state === BreakerState.Closed) {
      this.consecutiveSuccesses = 0;
      this.consecutiveFailures += 1;
      this.#window.add(nowMs, true);
      if (this.consecutiveFailures >= this.#settings.failures || this.#window.isBad(nowMs)) {
        this.#enter(BreakerState.Open, nowMs);
      }
    }
  }

  /** Time has passed. True when an open one has become half-open. */
  tick(nowMs: number): boolean {
    const dueMs = this.halfOpenAtMs;
    if (dueMs === undefined || nowMs < dueMs) return false;
    this.halfOpen(nowMs);
    return true;
  }

  /** Lets an open one be tried before its time: the worker has shown elsewhere that it is back. */
  halfOpen(nowMs: number): void {
    if (this.state !== BreakerState.Open) return;
    this.#enter(BreakerState.HalfOpen, nowMs);
    lastEpisode += 1;
    this.#episode = lastEpisode;
  }

  /** Part of its share that the worker should get, in (0, 1]: rises over {@link SLOW_START_MS} once it has closed again. */
  warmth(nowMs: number): number {
    if (this.state === BreakerState.HalfOpen) return SLOW_START_FROM;
    if (!this.#recovered || this.state !== BreakerState.Closed) return 1;
    const progress = (nowMs - this.#sinceMs) / SLOW_START_MS;
    return progress >= 1 ? 1 : SLOW_START_FROM + (1 - SLOW_START_FROM) * Math.max(0, progress);
  }

  #enter(state: BreakerState, nowMs: number): void {
    this.state = state;
    this.#sinceMs = nowMs;
    this.consecutiveFailures = 0;
    this.consecutiveSuccesses = 0;
    this.#probes = 0;
  }
}

/** Outcomes of the last `windowMs`, to the precision of a twelfth of it, in constant space. */
class OutcomeWindow {
  #bucketMs: number;
  readonly #failures = new Uint32Array(BUCKETS);
  readonly #total = new Uint32Array(BUCKETS);
  /** Number of the newest bucket since time zero. */
  #newest = 0;

  constructor(windowMs: number) {
    this.#bucketMs = windowMs / BUCKETS;
  }

  reset(windowMs: number): void {
    this.#bucketMs = windowMs / BUCKETS;
    this.#newest = 0;
    this.#failures.fill(0);
    this.#total.fill(0);
  }

  add(nowMs: number, failed: boolean): void {
    this.#advance(nowMs);
    const index = this.#newest % BUCKETS;
    this.#total[index] = (this.#total[index] as number) + 1;
    if (failed) this.#failures[index] = (this.#failures[index] as number) + 1;
  }

  isBad(nowMs: number): boolean {
    this.#advance(nowMs);
    let failures = 0;
    let total = 0;
    for (let i = 0; i < BUCKETS; i += 1) {
      failures += this.#failures[i] as number;
      total += this.#total[i] as number;
    }
    return total >= MIN_REQUESTS && failures >= total * FAILURE_SHARE;
  }

  #advance(nowMs: number): void {
    const bucket = Math.max(this.#newest, Math.floor(nowMs / this.#bucketMs));
    const steps = Math.min(bucket - this.#newest, BUCKETS);
    for (let step = 0; step < steps; step += 1) {
      this.#failures[(bucket - step) % BUCKETS] = 0;
      this.#total[(bucket - step) % BUCKETS] = 0;
    }
    this.#newest = bucket;
  }
}
