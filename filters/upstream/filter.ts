import {
  type Attempt,
  type BackendSink,
  BugError,
  type Delta,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  type HeaderMap,
  type InferenceRequest,
  type Releasable,
  type RequestHeaders,
  type ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Timer,
  type TokenUsage,
  type UpstreamExchange,
  type WatermarkCallbacks,
  type Worker,
} from '../../core/api/index.js';
import { AttemptUsage } from './attempt-usage.js';
import type { UpstreamFilterConfig } from './config.js';
import { createWorkerHeaders, removeConnectionFields, removeProviderFields } from './worker-headers.js';
import { recordError, recordStatus } from './worker-outcome.js';

/**
 * End of the chain: hands the request to the backend of the chosen worker and its answer to the filters above. Owns the
 * exchange, pauses it while the client is slow, and stops it at once when the run ends in any other way than by the
 * answer's end.
 */
export class UpstreamFilter implements StreamFilter, BackendSink, WatermarkCallbacks, Releasable {
  readonly #shared: UpstreamFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;
  #headers: RequestHeaders | undefined = undefined;
  #worker: Worker | undefined = undefined;
  #attempt: Attempt | undefined = undefined;
  /** Undefined for calls that are not inference. */
  #usage: AttemptUsage | undefined = undefined;
  #exchange: UpstreamExchange | undefined = undefined;
  #deadline: Timer | undefined = undefined;
  /** The exchange has ended by itself, or was never begun. */
  #finished = true;
  /** The head was good; whether the whole answer is shows at its end. */
  #answersWell = false;
  /** It was ended from this side. */
  #stopped = false;

  constructor(shared: UpstreamFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#headers = headers;
    if (endStream) this.#send(undefined);
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.#send(request);
    return FilterTrailersStatus.StopIteration;
  }

  #send(received: InferenceRequest | undefined): void {
    const { run, scope, streamInfo } = this.#callbacks;
    const { cluster, worker } = run;
    if (cluster === undefined || worker === undefined)
      throw new BugError('upstream: no filter above has chosen a worker');
    const backend = this.#shared.backends.get(worker.backend, worker.provider);
    if (backend === undefined) throw new BugError(`upstream: there is no backend '${worker.backend}'`);
    this.#worker = worker;
    this.#attempt = run.attempt;
    if (!this.#startDeadline()) return;
    let request = received;
    if (received !== undefined) {
      this.#usage = new AttemptUsage(streamInfo, run.attempt, this.#shared.scanner);
      request = this.#usage.prepare(received, backend);
      if (run.attempt !== undefined) run.attempt.model = received.model;
    }
    const headers = createWorkerHeaders(this.#headers as RequestHeaders, this.#shared.forwardedNames.for(worker));
    this.#finished = false;
    scope.own(this);
    try {
      const timeouts = run.timeouts ?? cluster.timeouts;
      this.#exchange = backend.send({ worker, headers, request, timeouts, dpRank: run.attempt?.dpRank, scope }, this);
    } catch (error) {
      this.#finished = true;
      if (!GatewayError.is(error)) throw error;
      this.#fail(error);
      return;
    }
    // The answer may have come, or been given up, before `send` returned.
    if (this.#stopped) this.#exchange.abort();
    else if (!this.#finished) this.#callbacks.addDownstreamWatermarkCallbacks(this);
  }

  // ── the answer ────────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const { status } = headers;
    const worker = this.#worker as Worker;
    if (this.#attempt !== undefined) this.#attempt.status = status;
    this.#answersWell = recordStatus(worker, this.#attempt, this.#callbacks.streamInfo.attempts);
    if (status >= 500) this.#shared.countError(worker, `status_${status}`);
    if (isRedirect(status)) {
      this.#refuseRedirect();
      return;
    }
    removeConnectionFields(headers);
    if (worker.runtime === 'external') removeProviderFields(headers);
    this.#usage?.onHeaders(headers);
    if (endStream) this.#onEnd();
    this.#callbacks.encodeHeaders(headers, endStream);
  }

  onData(bytes: Buffer, endStream: boolean, framed: Buffer | undefined): void {
    if (endStream) this.#onEnd();
    else this.#onPiece();
    const usage = this.#usage;
    const passed = usage === undefined ? bytes : usage.onData(bytes, endStream);
    if (passed === bytes) this.#callbacks.encodeData(bytes, endStream, framed);
    else if (passed !== undefined) this.#callbacks.encodeData(passed, endStream);
  }

  onDelta(delta: Delta, endStream: boolean): void {
    if (endStream) this.#onEnd();
    else this.#onPiece();
    this.#usage?.onDelta(delta, endStream);
    this.#callbacks.encodeDelta(delta, endStream);
  }

  onUsage(usage: TokenUsage): void {
    this.#usage?.onEarlyUsage(usage);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#onEnd();
    const rest = this.#usage?.onBodyEnd();
    if (rest !== undefined) this.#callbacks.encodeData(rest, false);
    this.#callbacks.encodeTrailers(trailers);
  }

  #onPiece(): void {
    const answer = this.#attempt?.answer;
    if (answer === undefined) this.#worker?.recordContact();
    else answer.onPiece();
  }

  /** The answer was seen whole. */
  #onEnd(): void {
    this.#finished = true;
    this.#onPiece();
    if (this.#answersWell) (this.#worker as Worker).recordOutcome('success', this.#attempt?.startedMs ?? 0);
  }

  onError(error: GatewayError): void {
    this.#finished = true;
    this.#fail(error);
  }

  #fail(error: GatewayError): void {
    const worker = this.#worker as Worker;
    const { attempts } = this.#callbacks.streamInfo;
    const { upstreamStatus } = error;
    if (upstreamStatus !== undefined) {
      // The worker's own answer, read by the backend of its dialect.
      if (this.#attempt !== undefined) this.#attempt.status = upstreamStatus;
      if (recordStatus(worker, this.#attempt, attempts)) worker.recordOutcome('success', this.#attempt?.startedMs ?? 0);
      if (upstreamStatus >= 500) this.#shared.countError(worker, `status_${upstreamStatus}`);
    } else {
      if (this.#attempt !== undefined) this.#attempt.error = error.details;
      recordError(worker, error.code, this.#attempt, attempts);
      this.#shared.countError(worker, error.code);
    }
    this.#callbacks.sendLocalReply(error);
  }

  /** The place that it points to is inside, where the client cannot go, and would tell it addresses. */
  #refuseRedirect(): void {
    this.#stop();
    this.#fail(
      new GatewayError('upstream_protocol_error', 'The worker answered with a redirect', { details: 'redirect' }),
    );
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** False when it is over before it began. The attempt's start is as good as now. */
  #startDeadline(): boolean {
    const { deadlineMs } = this.#callbacks.streamInfo;
    if (deadlineMs === 0) return true;
    const leftMs = deadlineMs - (this.#attempt?.startedMs ?? this.#shared.clock.monotonicMs());
    if (leftMs <= 0) {
      this.#onDeadline();
      return false;
    }
    this.#deadline = this.#shared.clock.setCoarseTimer(leftMs, () => this.#onDeadline());
    return true;
  }

  /** The whole request has had its time: not the worker's fault, so it does not count against it. */
  #onDeadline(): void {
    this.#stop();
    if (this.#attempt !== undefined) this.#attempt.error = 'request_deadline';
    this.#callbacks.sendLocalReply(
      new GatewayError('upstream_timeout', 'The request took longer than it may', { details: 'request_deadline' }),
    );
  }

  #stop(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stopped = true;
    this.#exchange?.abort();
  }

  release(): void {
    this.#deadline?.cancel();
    this.#stop();
  }

  onStreamComplete(): void {
    this.#usage?.publish(false);
  }

  // ── back-pressure ─────────────────────────────────────────────────────────────────────────────────────────────

  onAboveWriteBufferHighWatermark(): void {
    if (this.#finished) return;
    this.#attempt?.answer?.onPaused(true);
    this.#exchange?.pause();
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#finished) return;
    this.#attempt?.answer?.onPaused(false);
    this.#exchange?.resume();
  }
}

/** 304 answers a conditional request and 300 carries a body to choose from; neither sends anybody elsewhere. */
function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}
