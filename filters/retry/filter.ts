import {
  type Attempt,
  AttemptAnswer,
  type AttemptOwner,
  COARSE_TICK_MS,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type GatewayError,
  type InferenceRequest,
  type Releasable,
  type RequestHeaders,
  type ResponseHeaders,
  retryAfterMsOf,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Timer,
  type Worker,
} from '../../core/api/index.js';
import type { RetryFilterConfig } from './config.js';
import { MAX_QUOTA_BODY_BYTES, saysInsufficientQuota } from './quota.js';

/** From the plan: there will be no further attempt. */
const GIVE_UP = -1;

/**
 * Runs the filters below once per attempt until one answer is worth passing on. All decisions fall on the head of an
 * answer (and the body of a provider's 429) or on the error in its place: once a head went down, nothing is retried.
 *
 * A worker that this request has not tried is tried at once; only the same worker again is waited for. When every attempt
 * fails, the client gets the last answer that came from a worker, and only without any the gateway's own last error.
 */
export class RetryFilter implements StreamFilter, AttemptOwner {
  readonly #shared: RetryFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;
  /** Untouched by attempts, which get copies. */
  #headers: RequestHeaders | undefined = undefined;
  #request: InferenceRequest | undefined = undefined;
  #startedMs = 0;
  /** Index of this run's first entry in `streamInfo.attempts`. */
  #firstAttempt = 0;
  #opened = 0;
  #waits = 0;
  /** The last answer of a worker that was worth a retry. */
  #setAside: AttemptAnswer | undefined = undefined;
  #lastError: GatewayError | undefined = undefined;

  constructor(shared: RetryFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#headers = headers;
    if (endStream) this.#start();
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.#request = request;
    this.#start();
    return FilterTrailersStatus.StopIteration;
  }

  #start(): void {
    this.#startedMs = this.#shared.clock.monotonicMs();
    this.#firstAttempt = this.#callbacks.streamInfo.attempts.length;
    this.#shared.budget.onRequest(this.#startedMs);
    this.#open();
  }

  /** An answer may come before `openInner` returns, and open the next attempt inside it. */
  #open(): void {
    const headers = this.#headers as RequestHeaders;
    const request = this.#request;
    this.#opened += 1;
    // The last attempt may have the originals.
    const last = this.#opened === this.#shared.attempts;
    const answer = new AttemptAnswer(this, this.#callbacks);
    const inner = this.#callbacks.openInner(
      { headers: last ? headers : headers.clone(), inference: last ? request : request?.fork() },
      answer,
    );
    answer.onOpened(inner);
  }

  // ── how an attempt went ───────────────────────────────────────────────────────────────────────────────────────

  onAttemptHead(answer: AttemptAnswer, headers: ResponseHeaders): void {
    const { status } = headers;
    if (!this.#shared.retriesStatus(status)) this.#passOn(answer);
    else if (status === 429 && !answer.complete && headers.kind === 'bytes' && this.#isFromProvider()) {
      answer.read(MAX_QUOTA_BODY_BYTES);
    } else this.#retryAfterAnswer(answer, headers);
  }

  /** A provider's 429, of which its body tells two kinds. */
  onAttemptBody(answer: AttemptAnswer, headers: ResponseHeaders, body: Buffer): void {
    if (saysInsufficientQuota(body)) this.#passOn(answer);
    else this.#retryAfterAnswer(answer, headers);
  }

  #isFromProvider(): boolean {
    return this.#callbacks.streamInfo.attempts.at(-1)?.worker.runtime === 'external';
  }

  #retryAfterAnswer(answer: AttemptAnswer, headers: ResponseHeaders): void {
    const { status } = headers;
    const retryAfterMs = retryAfterMsOf(headers, this.#shared.clock.nowMs());
    const delayMs = this.#plan(status === 500, retryAfterMs, 0);
    if (delayMs === GIVE_UP) {
      this.#count(this.#shared.stats.exhausted);
      this.#passOn(answer);
      return;
    }
    this.#setAside?.drop();
    this.#setAside = headers.kind === 'bytes' ? answer : undefined;
    if (headers.kind === 'bytes') answer.setAside();
    else answer.drop();
    this.#openAfter(delayMs);
  }

  onAttemptError(_answer: AttemptAnswer, error: GatewayError): void {
    if (this.#lastError === undefined || isMeaningful(error)) this.#lastError = error;
    if (error.upstreamStatus !== undefined && this.#setAside !== undefined) {
      // A later word of a worker goes before an earlier one.
      this.#setAside.drop();
      this.#setAside = undefined;
    }
    const retryable = this.#shared.retriesError(error);
    const delayMs = retryable ? this.#planAfter(error) : GIVE_UP;
    if (delayMs !== GIVE_UP) {
      this.#openAfter(delayMs);
      return;
    }
    if (retryable) this.#count(this.#shared.stats.exhausted);
    if (this.#setAside?.usable === true) this.#setAside.pass();
    else this.#callbacks.sendLocalReply(this.#lastError);
  }

  #passOn(answer: AttemptAnswer): void {
    this.#setAside?.drop();
    this.#setAside = undefined;
    answer.pass();
  }

  // ── whether and when there is another one ─────────────────────────────────────────────────────────────────────

  #planAfter(error: GatewayError): number {
    // The gateway's own 503 tells clients when to come back; only a worker's word is a reason to wait here.
    const relayed = error.upstreamStatus !== undefined || error.code === 'rate_limit_exceeded';
    const retryAfterMs = relayed ? error.retryAfterMs : undefined;
    // Timers of time limits may be that much early or late against this clock.
    return this.#plan(
      error.upstreamStatus === 500,
      retryAfterMs,
      error.code === 'upstream_timeout' ? COARSE_TICK_MS : 0,
    );
  }

  /**
   * Milliseconds until the next attempt, or GIVE_UP. Attempts are begun only within one first-byte limit from the first
   * one on, so a silent worker costs that limit once.
   */
  #plan(untriedOnly: boolean, retryAfterMs: number | undefined, toleranceMs: number): number {
    const { attempts, backoff, budget, clock, stats } = this.#shared;
    if (this.#opened >= attempts || this.#callbacks.streamInfo.mirrored) return GIVE_UP;
    const nowMs = clock.monotonicMs();
    const { run } = this.#callbacks;
    const firstByteMs = (run.timeouts ?? run.cluster?.timeouts)?.firstByteMs ?? 0;
    if (firstByteMs !== 0 && nowMs - this.#startedMs + toleranceMs >= firstByteMs) return GIVE_UP;
    let delayMs = 0;
    if (!this.#hasUntriedWorker()) {
      if (untriedOnly || (retryAfterMs !== undefined && retryAfterMs > backoff.maxMs)) return GIVE_UP;
      delayMs = Math.max(backoff.delayMs(this.#waits), retryAfterMs ?? 0);
    }
    const { deadlineMs } = this.#callbacks.streamInfo;
    if (deadlineMs !== 0 && nowMs + delayMs >= deadlineMs) return GIVE_UP;
    if (budget.tryTake(nowMs)) return delayMs;
    stats.budgetExhausted.inc();
    return GIVE_UP;
  }

  #hasUntriedWorker(): boolean {
    const candidates = this.#callbacks.run.cluster?.candidates(this.#request?.model) ?? [];
    for (const worker of candidates) if (worker.available && !this.#hasTried(worker)) return true;
    return false;
  }

  /** What failed before this run (in another cluster's turn) counts too: `policy` avoids it as well. */
  #hasTried(worker: Worker): boolean {
    const { attempts } = this.#callbacks.streamInfo;
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i] as Attempt;
      if (attempt.worker !== worker) continue;
      if (i >= this.#firstAttempt || attempt.error !== undefined || attempt.status >= 400) return true;
    }
    return false;
  }

  #openAfter(delayMs: number): void {
    this.#count(this.#shared.stats.retries);
    if (delayMs === 0) {
      this.#open();
      return;
    }
    this.#waits += 1;
    this.#shared.stats.observeBackoff(this.#opened, delayMs);
    const { scope } = this.#callbacks;
    const wait = new Wait();
    wait.timer = this.#shared.clock.setTimer(delayMs, () => {
      scope.disown(wait);
      this.#open();
    });
    scope.own(wait);
  }

  /** Labels: the worker that failed last, and the endpoint. */
  #count(family: RetryFilterConfig['stats']['retries']): void {
    const { attempts, endpoint } = this.#callbacks.streamInfo;
    const worker = attempts.length > this.#firstAttempt ? attempts.at(-1)?.worker : undefined;
    family.with(worker?.workerType ?? 'regular', endpoint).inc();
  }
}

/** A pending wait, for the scope. */
class Wait implements Releasable {
  timer: Timer | undefined = undefined;

  release(): void {
    this.timer?.cancel();
  }
}

/** That nobody is left to ask says less than what the ones that were asked did. */
function isMeaningful(error: GatewayError): boolean {
  return error.code !== 'no_available_workers' && error.code !== 'model_not_found';
}
