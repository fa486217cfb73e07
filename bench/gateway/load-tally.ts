import type { CheckMode } from './answer-check.js';
import type { AnswerKind } from './answers.js';
import { LatencyHistogram } from './latency-histogram.js';

/** One closed loop: every connection sends its next request when its answer is complete. */
export interface LoadJob {
  readonly protocol: 'h1' | 'h2';
  readonly port: number;
  /** Connections with h1; concurrent streams of one connection with h2. */
  readonly concurrency: number;
  readonly bodyBytes: number;
  readonly answer: AnswerKind;
  readonly check: CheckMode;
  readonly durationMs: number;
}

/** What the load client saw. Rates come from the window alone; answers after it are waited for and checked too. */
export interface LoadResult {
  readonly windowMs: number;
  /** Complete answers within the window. */
  readonly requests: number;
  /** All complete answers: what CPU time is divided by. */
  readonly requestsTotal: number;
  /** Events within the window, `[DONE]` included. */
  readonly events: number;
  readonly eventsTotal: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** From the request to its first complete event; 0 without streams. */
  readonly firstEventP50Us: number;
  readonly firstEventP99Us: number;
  /** Connections that had to be opened again. */
  readonly reconnects: number;
  /** Wrong or missing answers; any voids the sample. */
  readonly failures: number;
  readonly firstFailure: string | undefined;
}

/** Collects what all connections of one job see, and knows when the job is over. */
export class LoadTally {
  readonly #job: LoadJob;
  readonly #latency = new LatencyHistogram();
  readonly #firstEvent = new LatencyHistogram();
  #startMs: number;
  #deadlineMs: number;
  #requests: number;
  #requestsTotal: number;
  #events: number;
  #eventsTotal: number;
  #failures: number;
  #firstFailure: string | undefined;
  reconnects: number;

  constructor(job: LoadJob) {
    this.#job = job;
    this.#startMs = 0;
    this.#deadlineMs = 0;
    this.#requests = 0;
    this.#requestsTotal = 0;
    this.#events = 0;
    this.#eventsTotal = 0;
    this.#failures = 0;
    this.#firstFailure = undefined;
    this.reconnects = 0;
  }

  /** The window begins: call when all connections are open. */
  start(): void {
    this.#startMs = performance.now();
    this.#deadlineMs = this.#startMs + this.#job.durationMs;
  }

  /** Whether no further request may be sent at that time (`performance.now()`). */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#deadlineMs;
  }

  recordAnswer(sentMs: number, nowMs: number): void {
    this.#requestsTotal++;
    if (nowMs > this.#deadlineMs) return;
    this.#requests++;
    this.#latency.recordUs((nowMs - sentMs) * 1000);
  }

  recordFirstEvent(sentMs: number, nowMs: number): void {
    if (nowMs <= this.#deadlineMs) this.#firstEvent.recordUs((nowMs - sentMs) * 1000);
  }

  recordEvents(count: number, nowMs: number): void {
    this.#eventsTotal += count;
    if (nowMs <= this.#deadlineMs) this.#events += count;
  }

  fail(reason: string): void {
    this.#failures++;
    this.#firstFailure ??= reason;
  }

  result(): LoadResult {
    return {
      windowMs: this.#deadlineMs - this.#startMs,
      requests: this.#requests,
      requestsTotal: this.#requestsTotal,
      events: this.#events,
      eventsTotal: this.#eventsTotal,
      p50Us: this.#latency.quantileUs(0.5),
      p99Us: this.#latency.quantileUs(0.99),
      firstEventP50Us: this.#firstEvent.quantileUs(0.5),
      firstEventP99Us: this.#firstEvent.quantileUs(0.99),
      reconnects: this.reconnects,
      failures: this.#failures,
      firstFailure: this.#firstFailure,
    };
  }
}
