import {
  type Clock,
  type Counter,
  FilterHeadersStatus,
  GatewayError,
  type Gauge,
  type Histogram,
  type Releasable,
  type StatsScope,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Timer,
} from '../../core/api/index.js';
import { type AdmissionSettings, permitsOf } from './config.js';
import type { PermitQueue, Waiter } from './permit-queue.js';

/** What clients are told to wait, ms; SMG's figure. */
const RETRY_AFTER_MS = 2_000;
/** Body bytes of a waiting request from which on its client is not read any more: what comes in with the head. */
const WAITING_BODY_BYTES = 64 * 1024;
/** Time that refused requests have before they would be cut, ms, or this share of what is left. */
const DRAIN_MARGIN_MS = 1_000;
const DRAIN_MARGIN_SHARE = 0.1;

/** What the streams of one generation share. The permits are shared with the other generations. */
export class AdmissionConfig {
  readonly permits: PermitQueue;
  readonly clock: Clock;
  readonly queueSize: number;
  readonly queueTimeoutMs: number;
  readonly stats: AdmissionStats;
  #drainTimer: Timer | undefined = undefined;

  constructor(settings: AdmissionSettings, permits: PermitQueue, clock: Clock, stats: StatsScope) {
    this.permits = permits;
    this.clock = clock;
    this.queueSize = settings.queue;
    this.queueTimeoutMs = settings.queue_timeout;
    this.stats = new AdmissionStats(stats);
  }

  /** Everything is cut at `cutMs`: who still waits shortly before that gets an answer while there is time. */
  onDrain(cutMs: number): void {
    const leftMs = Math.max(0, cutMs - this.clock.monotonicMs());
    const margin = Math.min(DRAIN_MARGIN_MS, leftMs * DRAIN_MARGIN_SHARE);
    this.#drainTimer = this.clock.setTimer(leftMs - margin, () => this.permits.close());
  }

  dispose(): void {
    this.#drainTimer?.cancel();
  }
}

/** Lets permits of a filter that was switched off go to whoever still waits in an older generation. */
export function applyLimits(settings: AdmissionSettings, permits: PermitQueue): void {
  const max = permitsOf(settings.max);
  permits.setLimits(max === 0 ? Number.POSITIVE_INFINITY : max, settings.queue);
}

/** The filter's metrics. */
export class AdmissionStats {
  readonly inflight: Gauge;
  readonly depth: Gauge;
  readonly waits: Histogram;
  readonly allowed: Counter;
  readonly rejected: Counter;
  readonly full: Counter;
  readonly timeout: Counter;
  readonly draining: Counter;

  constructor(stats: StatsScope) {
    this.inflight = stats.gauge({ name: 'smg_admission_inflight', help: 'Requests that hold a permit' }).with();
    this.depth = stats.gauge({ name: 'smg_admission_queue_depth', help: 'Requests that wait for a permit' }).with();
    this.waits = stats
      .histogram({
        name: 'smg_admission_queue_wait_seconds',
        help: 'Waits of requests that were queued and got a permit',
        buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
      })
      .with();
    const results = stats.counter({
      name: 'smg_http_rate_limit_total',
      help: 'Requests that admission let pass or turned away',
      labels: ['result'],
    });
    this.allowed = results.with('allowed');
    this.rejected = results.with('rejected');
    const reasons = stats.counter({
      name: 'smg_admission_queue_rejected_total',
      help: 'Requests that were turned away, by reason',
      labels: ['reason'],
    });
    this.full = reasons.with('full');
    this.timeout = reasons.with('timeout');
    this.draining = reasons.with('draining');
  }
}

const State = { Outside: 0, Waiting: 1, Admitted: 2 } as const;

/**
 * Holds a permit for its request from before the body is read until the run has ended, however it ends. Without a free
 * one it waits: headers and what came with them are held, the client is not read further.
 */
export class AdmissionFilter implements StreamFilter, Waiter, Releasable {
  previous: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  readonly #shared: AdmissionConfig;
  readonly #callbacks: StreamFilterCallbacks;
  #state: number = State.Outside;
  #sinceMs = 0;
  #timer: Timer | undefined = undefined;

  constructor(shared: AdmissionConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(): FilterHeadersStatus {
    const { permits, stats, clock, queueTimeoutMs } = this.#shared;
    if (permits.tryAcquire()) {
      this.#admit();
      this.#callbacks.scope.own(this);
      return FilterHeadersStatus.Continue;
    }
    if (!permits.tryEnqueue(this)) {
      this.#refuseNewcomer();
      return FilterHeadersStatus.StopIteration;
    }
    this.#state = State.Waiting;
    stats.depth.inc();
    this.#sinceMs = clock.monotonicMs();
    this.#timer = clock.setCoarseTimer(queueTimeoutMs, () => this.#onTimeout());
    this.#callbacks.bufferLimit = WAITING_BODY_BYTES;
    this.#callbacks.scope.own(this);
    return FilterHeadersStatus.StopAllIterationAndWatermark;
  }

  onGranted(): void {
    const { clock, stats } = this.#shared;
    this.#stopWaiting();
    stats.waits.observe((clock.monotonicMs() - this.#sinceMs) / 1000);
    this.#admit();
    this.#callbacks.continueDecoding();
  }

  onRefused(): void {
    this.#stopWaiting();
    this.#refuse(this.#shared.stats.draining, drainingError());
  }

  /** The run has ended: the place in the queue or the permit goes back. */
  release(): void {
    const { permits, stats } = this.#shared;
    const state = this.#state;
    if (state === State.Waiting) {
      permits.leave(this);
      this.#stopWaiting();
    } else if (state === State.Admitted) {
      this.#state = State.Outside;
      stats.inflight.dec();
      permits.release();
    }
  }

  #onTimeout(): void {
    this.#shared.permits.leave(this);
    this.#stopWaiting();
    const message = `The request waited ${this.#shared.queueTimeoutMs / 1000} s for its turn, which is as long as it may`;
    this.#refuse(
      this.#shared.stats.timeout,
      new GatewayError('admission_queue_timeout', message, { retryAfterMs: RETRY_AFTER_MS }),
    );
  }

  #refuseNewcomer(): void {
    const { permits, stats, queueSize } = this.#shared;
    if (permits.closed) {
      this.#refuse(stats.draining, drainingError());
      return;
    }
    const message =
      queueSize === 0 ? 'concurrency limit reached and queuing is disabled' : 'admission queue is at capacity';
    this.#refuse(stats.full, new GatewayError('admission_queue_full', message, { retryAfterMs: RETRY_AFTER_MS }));
  }

  #refuse(reason: Counter, error: GatewayError): void {
    reason.inc();
    this.#shared.stats.rejected.inc();
    this.#callbacks.sendLocalReply(error);
  }

  #admit(): void {
    this.#state = State.Admitted;
    this.#shared.stats.inflight.inc();
    this.#shared.stats.allowed.inc();
  }

  #stopWaiting(): void {
    this.#state = State.Outside;
    this.#shared.stats.depth.dec();
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

function drainingError(): GatewayError {
  return new GatewayError('draining', 'The gateway is shutting down', {
    details: 'admission_draining',
    retryAfterMs: RETRY_AFTER_MS,
  });
}
