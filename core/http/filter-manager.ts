import { BugError, GatewayError } from '../api/errors.js';
import type {
  BodyData,
  DetachedSink,
  DetachedStart,
  InnerRequest,
  InnerRun,
  InnerSink,
  RunInfo,
  StreamFilter,
  WatermarkCallbacks,
} from '../api/filter.js';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../api/headers.js';
import type { Delta, InferenceRequest } from '../api/inference.js';
import type { Releasable } from '../api/scope.js';
import type { StreamInfo } from '../api/stream-info.js';
import { ActiveFilter } from './active-filter.js';
import { DecoderPath } from './decoder-path.js';
import { EncoderPath } from './encoder-path.js';
import { Execution } from './execution.js';
import { ALL_DECIDED, type CallPlan, type ChainEntry, type ChainSegment } from './filter-chain.js';
import { renderLocalReply } from './local-reply.js';
import { ChainScope } from './request-scope.js';

/** What runs of one listener share. */
export interface FilterManagerOptions {
  /** Bytes that one filter may hold back per direction. Default of `bufferLimit`; also the watermark of held bytes. */
  readonly bufferLimitBytes: number;
  /** A filter threw: a bug in it. Counts and logs; the stream has been answered with `internal`. */
  onFilterException(error: unknown, filterNames: readonly string[]): void;
}

/** Where the answer of the outermost run goes; `onError` means that a response has begun and cannot end well. */
export interface StreamSink extends InnerSink {
  /** Stop or resume reading the request body. Calls alternate. Absent where nothing is read: the request is whole. */
  readDisable?(disable: boolean): void;
  /** The run is over and has released everything. */
  onRunEnd(): void;
}

/**
 * One run of a chain segment: creates its filters, moves the request down and the answer up, and ends exactly once.
 * The outermost run of a stream answers into a {@link StreamSink}; the runs that nesting filters open answer into
 * theirs. Everything is synchronous; an entry from outside is any public method.
 */
export class FilterManager implements InnerRun, Releasable {
  readonly streamInfo: StreamInfo;
  readonly run: RunInfo;
  readonly scope = new ChainScope();
  /** Undefined: left out, or not decided yet. Grows where the chain parts. */
  readonly filters: (StreamFilter | undefined)[];
  plan: CallPlan;
  /** The next place of the chain at which something is decided when the head comes there; ALL_DECIDED behind the last. */
  nextDecision: number;
  /** 0 for the outermost run. */
  readonly level: number;
  readonly watermarkBytes: number;
  #segment: ChainSegment;
  readonly #options: FilterManagerOptions;
  readonly #execution: Execution;
  readonly #parent: FilterManager | undefined;
  readonly #sink: InnerSink;
  /** The same object as the sink in the outermost run, undefined in others. */
  readonly #stream: StreamSink | undefined;
  readonly #active: ActiveFilter[];
  /** The request of an inner run. */
  #inference: InferenceRequest | undefined = undefined;
  readonly #decoder: DecoderPath;
  readonly #encoder: EncoderPath;
  #replied = false;
  #reply: GatewayError | undefined = undefined;
  #modifyReply: ((headers: ResponseHeaders) => void) | undefined = undefined;
  /** The answer has been handed over whole, or the run was reset: no callback follows but the two last. */
  #ended = false;
  #finished = false;
  #highWatermarks = 0;
  #watermarkCallbacks: WatermarkCallbacks[] | undefined = undefined;
  #abort: AbortController | undefined = undefined;

  constructor(
    segment: ChainSegment,
    options: FilterManagerOptions,
    streamInfo: StreamInfo,
    sink: InnerSink,
    parent: FilterManager | undefined,
  ) {
    this.#segment = segment;
    this.#options = options;
    this.streamInfo = streamInfo;
    this.#parent = parent;
    this.#sink = sink;
    this.#stream = parent === undefined ? (sink as StreamSink) : undefined;
    this.level = parent === undefined ? 0 : parent.level + 1;
    this.run =
      parent === undefined
        ? { cluster: undefined, timeouts: undefined, routeTimeouts: undefined, worker: undefined, attempt: undefined }
        : {
            cluster: parent.run.cluster,
            timeouts: parent.run.timeouts,
            routeTimeouts: parent.run.routeTimeouts,
            worker: parent.run.worker,
            attempt: parent.run.attempt,
          };
    this.#execution = parent === undefined ? new Execution() : parent.#execution;
    this.watermarkBytes = options.bufferLimitBytes;
    const length = segment.entries.length;
    this.filters = new Array<StreamFilter | undefined>(length);
    this.#active = new Array<ActiveFilter>(length);
    this.#createFilters(0);
    this.plan = segment.planFor(this.filters);
    this.nextDecision = segment.firstDecision;
    this.#decoder = new DecoderPath(this);
    this.#encoder = new EncoderPath(this);
  }

  /** True when the way down is over: a local reply was asked for, or the run has ended. */
  get halted(): boolean {
    return this.#replied || this.#ended;
  }

  /** True when the way up must stop: a local reply waits to be sent, or the run has ended. */
  get stopped(): boolean {
    return this.#reply !== undefined || this.#ended;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.scope.ended) this.#abort.abort();
    return this.#abort.signal;
  }

  callbacksOf(index: number): ActiveFilter {
    return this.#active[index] as ActiveFilter;
  }

  /** Makes the filters of the segment from this place on, apart from those that are decided later. */
  #createFilters(from: number): void {
    const { entries } = this.#segment;
    for (let i = from; i < entries.length; i++) {
      const callbacks = new ActiveFilter(this, i, this.#options.bufferLimitBytes);
      const entry = entries[i] as ChainEntry;
      this.#active[i] = callbacks;
      this.filters[i] = entry.admits === undefined ? entry.factory(callbacks) : undefined;
    }
  }

  /** The head has come to the next decision: makes it. False when there is none left. */
  decide(headers: RequestHeaders): boolean {
    const at = this.nextDecision;
    if (at === ALL_DECIDED) return false;
    const entry = this.#segment.entries[at];
    if (entry === undefined) {
      this.#segment = this.#segment.branch?.(this.streamInfo) ?? this.#segment;
      this.#createFilters(at);
      this.nextDecision = this.#segment.decisionFrom(at);
    } else {
      const request = this.#inference ?? this.streamInfo.inference;
      if (entry.admits?.(this.streamInfo, headers, request) === true) {
        this.filters[at] = entry.factory(this.callbacksOf(at));
      }
      this.nextDecision = this.#segment.decisionFrom(at + 1);
    }
    this.plan = this.#segment.planFor(this.filters);
    return true;
  }

  isNesting(index: number): boolean {
    return this.#segment.entries[index]?.nesting === true;
  }

  // ── down ──────────────────────────────────────────────────────────────────────────────────────────────────────

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#execution.enter();
    try {
      this.#decoder.decodeHeaders(headers, endStream);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  decodeData(index: number, bytes: Buffer, endStream: boolean): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#decoder.decodeData(index, bytes, endStream);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  decodeTrailers(trailers: HeaderMap): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#decoder.decodeTrailers(0, trailers);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  continueWithRequest(index: number, request: InferenceRequest): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#decoder.continueWithRequest(index, request);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  continueDecoding(index: number): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#decoder.continueDecoding(index);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  // ── up ────────────────────────────────────────────────────────────────────────────────────────────────────────

  encodeHeaders(index: number, headers: ResponseHeaders, endStream: boolean): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#encoder.encodeHeaders(index, headers, endStream);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  encodeData(index: number, bytes: Buffer, endStream: boolean, framed: Buffer | undefined): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#encoder.encodeData(index, bytes, endStream, framed);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  encodeDelta(index: number, delta: Delta, endStream: boolean): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#encoder.encodeDelta(index, delta, endStream);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  encodeTrailers(index: number, trailers: HeaderMap): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#encoder.encodeTrailers(index, trailers);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  injectEncoded(index: number, bytes: Buffer | undefined, delta: Delta | undefined, endStream: boolean): void {
    if (this.halted) return;
    this.#execution.enter();
    try {
      this.#encoder.inject(index, bytes, delta, endStream);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  continueEncoding(index: number): void {
    if (this.stopped) return;
    this.#execution.enter();
    try {
      this.#encoder.continueEncoding(index);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  emitHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (endStream) this.#end();
    this.#sink.onHeaders(headers, endStream);
  }

  emitData(data: BodyData, endStream: boolean): void {
    if (endStream) this.#end();
    this.#sink.onData(data, endStream);
  }

  emitDelta(delta: Delta, endStream: boolean): void {
    if (endStream) this.#end();
    this.#sink.onDelta(delta, endStream);
  }

  emitTrailers(trailers: HeaderMap): void {
    this.#end();
    this.#sink.onTrailers(trailers);
  }

  // ── local replies and the end ─────────────────────────────────────────────────────────────────────────────────

  /** The first one counts; it is carried out when no callback is running. */
  sendLocalReply(error: GatewayError, modifyHeaders?: (headers: ResponseHeaders) => void): void {
    if (this.halted) return;
    this.#replied = true;
    this.#reply = error;
    this.#modifyReply = modifyHeaders;
    this.#execution.defer(this);
  }

  /** Ends the run without an answer: the client is gone, or the nesting filter gave it up. Idempotent. */
  reset(): void {
    if (this.#finished) return;
    this.#end();
    this.scope.release();
  }

  /** The owning scope ends. */
  release(): void {
    this.reset();
    // The parent is being finished and no callback runs: do not wait for the queue, so outcomes come before its log.
    if (this.#execution.idle) this.settle();
  }

  openInner(request: InnerRequest, sink: InnerSink): InnerRun {
    const segment = this.#segment.inner;
    if (segment === undefined) throw new BugError('openInner: there are no filters below this one');
    const inner = new FilterManager(segment, this.#options, this.streamInfo, sink, this);
    this.scope.own(inner);
    inner.decodeInner(request);
    return inner;
  }

  openDetached(request: InnerRequest, start: DetachedStart, sink: DetachedSink): InnerRun {
    const segment = this.#segment.inner;
    if (segment === undefined) throw new BugError('openDetached: there are no filters below this one');
    const detached = new FilterManager(segment, this.#options, start.streamInfo, sink, undefined);
    detached.run.cluster = start.cluster;
    detached.run.timeouts = start.timeouts;
    detached.decodeInner(request);
    return detached;
  }

  /** Starts an inner run; its answer may arrive before this returns only through the execution queue. */
  decodeInner(request: InnerRequest): void {
    this.#inference = request.inference;
    this.#execution.enter();
    try {
      this.#decoder.decodeHeaders(request.headers, request.inference === undefined);
      if (request.inference !== undefined && !this.halted) this.#decoder.decodeRequest(0, request.inference);
    } catch (error) {
      this.#onException(error);
    }
    this.#execution.leave();
  }

  /** Called by the execution queue when nothing is running. */
  settle(): void {
    if (this.#finished) return;
    const reply = this.#reply;
    if (reply !== undefined && !this.#ended) {
      this.#reply = undefined;
      this.#performReply(reply);
    }
    if (this.#ended) this.#finish();
  }

  #performReply(error: GatewayError): void {
    if (this.#stream === undefined || this.#encoder.started) {
      this.#end();
      this.#sink.onError(error);
      return;
    }
    this.streamInfo.responseDetails = error.details;
    const { headers, body } = renderLocalReply(error, this.streamInfo.errorDialect, this.streamInfo.requestId);
    this.#modifyReply?.(headers);
    this.#execution.enter();
    try {
      const last = this.filters.length - 1;
      this.#encoder.encodeHeaders(last, headers, false);
      if (!this.stopped) this.#encoder.encodeData(last, body, true, undefined);
    } catch (thrown) {
      this.#onException(thrown);
    }
    this.#execution.leave();
  }

  #onException(error: unknown): void {
    if (GatewayError.is(error) && !this.#replied) {
      this.sendLocalReply(error);
      return;
    }
    this.#reportException(error);
    const failure = new GatewayError('internal', 'The gateway met an internal error', {
      cause: error,
      details: 'filter_exception',
    });
    if (!this.#replied) {
      this.sendLocalReply(failure);
    } else if (!this.#ended) {
      // A filter failed on the way up of the reply itself: what is left is to cut the stream.
      this.#end();
      this.#sink.onError(failure);
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#execution.defer(this);
  }

  #finish(): void {
    this.#finished = true;
    this.scope.release();
    this.#parent?.scope.disown(this);
    this.#abort?.abort();
    const { filters, plan } = this;
    for (const k of plan.onStreamComplete) {
      try {
        filters[k]?.onStreamComplete?.();
      } catch (error) {
        this.#reportException(error);
      }
    }
    for (const k of plan.onDestroy) {
      try {
        filters[k]?.onDestroy?.();
      } catch (error) {
        this.#reportException(error);
      }
    }
    this.#stream?.onRunEnd();
  }

  #reportException(error: unknown): void {
    this.#options.onFilterException(
      error,
      this.#segment.entries.map((entry) => entry.name),
    );
  }

  // ── back-pressure ─────────────────────────────────────────────────────────────────────────────────────────────

  readDisable(disable: boolean): void {
    this.#stream?.readDisable?.(disable);
  }

  onAboveWriteBufferHighWatermark(): void {
    if (++this.#highWatermarks > 1 || this.#watermarkCallbacks === undefined) return;
    for (const callbacks of this.#watermarkCallbacks.slice()) callbacks.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#highWatermarks === 0) throw new BugError('low watermark without a high one');
    if (--this.#highWatermarks > 0 || this.#watermarkCallbacks === undefined) return;
    for (const callbacks of this.#watermarkCallbacks.slice()) callbacks.onBelowWriteBufferLowWatermark();
  }

  addWatermarkCallbacks(callbacks: WatermarkCallbacks): void {
    if (this.#watermarkCallbacks === undefined) this.#watermarkCallbacks = [callbacks];
    else this.#watermarkCallbacks.push(callbacks);
    if (this.#highWatermarks > 0) callbacks.onAboveWriteBufferHighWatermark();
  }

  removeWatermarkCallbacks(callbacks: WatermarkCallbacks): void {
    const index = this.#watermarkCallbacks?.indexOf(callbacks) ?? -1;
    if (index >= 0) this.#watermarkCallbacks?.splice(index, 1);
  }
}
