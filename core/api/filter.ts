import type { GatewayError } from './errors.js';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './headers.js';
import type { Delta, InferenceRequest } from './inference.js';
import type { ValueOf } from './scalars.js';
import type { RequestScope } from './scope.js';
import type { Attempt, StreamInfo } from './stream-info.js';
import type { Cluster, UpstreamTimeouts, Worker } from './worker.js';

/**
 * Returned synchronously from every callback: the chain never awaits.
 *
 * `StopIteration` holds the headers, this filter alone still receives what follows (to inspect a body).
 * `StopAllIterationAndWatermark` holds everything and pauses the source past the limit (to wait for a remote answer).
 */
export const FilterHeadersStatus = { Continue: 0, StopIteration: 1, StopAllIterationAndWatermark: 2 } as const;
export type FilterHeadersStatus = ValueOf<typeof FilterHeadersStatus>;

/**
 * `StopIterationAndBuffer`: I need it all; past the buffer limit 413 or 500. `StopIterationAndWatermark`: later, slow
 * the source down. `StopIterationNoBuffer`: I took it (or drop it).
 */
export const FilterDataStatus = {
  Continue: 0,
  StopIterationAndBuffer: 1,
  StopIterationAndWatermark: 2,
  StopIterationNoBuffer: 3,
} as const;
export type FilterDataStatus = ValueOf<typeof FilterDataStatus>;

/** For `decodeRequest` and trailers. */
export const FilterTrailersStatus = { Continue: 0, StopIteration: 1 } as const;
export type FilterTrailersStatus = ValueOf<typeof FilterTrailersStatus>;

/**
 * Bytes in flight. One holder per run and direction, reused for each chunk: read `bytes`, or replace it through
 * {@link BodyData.replace}; never keep the holder. Request bytes are valid during the call only: copy what is kept.
 */
export class BodyData {
  bytes: Buffer;
  /** The same bytes in the worker's HTTP/1.1 chunk framing, forwarded as they are while nobody replaced `bytes`. */
  framed: Buffer | undefined;

  constructor(bytes: Buffer, framed: Buffer | undefined) {
    this.bytes = bytes;
    this.framed = framed;
  }

  replace(bytes: Buffer): void {
    this.bytes = bytes;
    this.framed = undefined;
  }
}

/**
 * One complete SSE frame, blank line included. `data` is the joined payload; `raw` is forwarded unless a filter calls
 * {@link SseEvent.setData}, which re-frames it.
 */
export interface SseEvent {
  readonly raw: Buffer;
  /** Value of the `event` field. */
  readonly event: string | undefined;
  /** Joined `data` lines; decoded on first read. Undefined for a comment or a frame without data. */
  readonly data: string | undefined;
  setData(data: string): void;
}

/**
 * One filter in one run of a chain: created when the run's headers arrive, unreachable after onDestroy(), never
 * shared. A run is the whole stream, or, below a nesting filter, one attempt or leg.
 *
 * Every callback is optional; an absent one is left out of the compiled chain and costs nothing. Which ones a class has
 * is read once, from its prototype: do not add callbacks to instances later.
 *
 * Traffic errors go to sendLocalReply(). A throw is a bug in the filter: 500, stat `filter_exception`, stream ends.
 */
export interface StreamFilter {
  /** `endStream`: true for a request without body. Called exactly once, before any decodeData or decodeRequest. */
  decodeHeaders?(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus;
  /** Only above the filter that reads the body into an InferenceRequest. */
  decodeData?(data: BodyData, endStream: boolean): FilterDataStatus;
  decodeTrailers?(trailers: HeaderMap): FilterTrailersStatus;
  /** Only below `inference`: the whole request, once, after decodeHeaders (which then had `endStream` false). */
  decodeRequest?(request: InferenceRequest): FilterTrailersStatus;
  /** May run without a prior decodeHeaders (an earlier filter may have replied locally). */
  encodeHeaders?(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus;
  encodeData?(data: BodyData, endStream: boolean): FilterDataStatus;
  /** text/event-stream only; the frame is split once for the whole run. StopIterationNoBuffer drops the event. */
  encodeEvent?(event: SseEvent): FilterDataStatus;
  /** Responses of kind `deltas` only. `endStream` comes with the last one. */
  encodeDelta?(delta: Delta, endStream: boolean): FilterDataStatus;
  encodeTrailers?(trailers: HeaderMap): FilterTrailersStatus;
  /** Once, when the run is done or reset; before the access log. Publish final numbers to streamInfo here. */
  onStreamComplete?(): void;
  /** Once, last. Cancel timers and pending calls; the callbacks object must not be used afterwards. */
  onDestroy?(): void;
}

/** Facts of one run. An inner run starts with a copy of its parent's. */
export interface RunInfo {
  cluster: Cluster | undefined;
  /** Time limits of its exchanges with workers. Undefined: those of the cluster. */
  timeouts: UpstreamTimeouts | undefined;
  /** What the route says over the limits of whatever cluster serves it; undefined: nothing. */
  routeTimeouts: Partial<UpstreamTimeouts> | undefined;
  worker: Worker | undefined;
  /** The entry in streamInfo.attempts that this run is. */
  attempt: Attempt | undefined;
}

/** Calls nest (several buffers can be full): act on the first high and on the last low. */
export interface WatermarkCallbacks {
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** The filter's only handle on its run. Valid from creation until onDestroy(). */
export interface StreamFilterCallbacks {
  readonly streamInfo: StreamInfo;
  readonly run: RunInfo;
  /** Owner of what this run acquires. */
  readonly scope: RequestScope;
  /**
   * Bytes this filter may hold per direction before the manager answers 413 (request) or 500 (response). With a stop
   * that slows the source down: bytes from which on it is not read; set it lower before such a stop to hold less.
   */
  bufferLimit: number;
  /** Aborted when the run ends or is reset. Created on first read; pass it to every outgoing call. */
  readonly signal: AbortSignal;
  /** Resume after a Stop* status. Throws if nothing is stopped; a no-op after a local reply. */
  continueDecoding(): void;
  continueEncoding(): void;
  /** For the filter that read the body: hands the request to the filters below and continues their decoding. */
  continueWithRequest(request: InferenceRequest): void;
  /** Emit to the filters after this one, outside a callback (delayed or generated). The last call carries `endStream`. */
  injectDecodedData(bytes: Buffer, endStream: boolean): void;
  injectEncodedData(bytes: Buffer, endStream: boolean): void;
  injectEncodedDelta(delta: Delta, endStream: boolean): void;
  /**
   * End the run with an error body made from `error`. In the outermost run: before the head it passes the encoder
   * chain, after it becomes an in-band error event or a reset. In an inner run it is handed to the nesting filter.
   */
  sendLocalReply(error: GatewayError, modifyHeaders?: (headers: ResponseHeaders) => void): void;
  /** For terminal and nesting filters: the response, entering the encoder chain just above this filter. */
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  encodeData(bytes: Buffer, endStream: boolean, framed?: Buffer): void;
  encodeDelta(delta: Delta, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** A producer subscribes here and pauses its source while above. Fires at once if already above. */
  addDownstreamWatermarkCallbacks(callbacks: WatermarkCallbacks): void;
  removeDownstreamWatermarkCallbacks(callbacks: WatermarkCallbacks): void;
  /**
   * For nesting filters: starts one run of the filters below. `sink` gets its answer; nothing of it reaches this
   * chain unless the sink passes it on. Throws BugError in a filter that is not `nesting`.
   */
  openInner(request: InnerRequest, sink: InnerSink): InnerRun;
  /**
   * For nesting filters: starts a run of the filters below that is no part of this stream and does not end with it. Its
   * request must not depend on this scope ({@link InferenceRequest.detach}). The caller owns the run: it resets it at the
   * latest when its plugin's lifetime ends.
   */
  openDetached(request: InnerRequest, start: DetachedStart, sink: DetachedSink): InnerRun;
}

/** What a detached run knows from its begin. */
export interface DetachedStart {
  /** Its own. */
  readonly streamInfo: StreamInfo;
  readonly cluster: Cluster;
  readonly timeouts: UpstreamTimeouts;
}

/** Where the answer of a detached run goes. A local reply before the head comes as an answer. */
export interface DetachedSink extends InnerSink {
  /** Once, last: the run has released everything, also after `reset()`. */
  onRunEnd(): void;
}

/** What an inner run starts with. Both are this run's own: fork and clone before opening a second one. */
export interface InnerRequest {
  readonly headers: RequestHeaders;
  /** Undefined only for requests without an inference body. */
  readonly inference: InferenceRequest | undefined;
}

/** Where the answer of an inner run goes. All calls are synchronous and stop after `reset()`, an end, or `onError`. */
export interface InnerSink {
  onHeaders(headers: ResponseHeaders, endStream: boolean): void;
  onData(data: BodyData, endStream: boolean): void;
  onDelta(delta: Delta, endStream: boolean): void;
  onTrailers(trailers: HeaderMap): void;
  /** A local reply or failure of the run, before or after its head; ends it. */
  onError(error: GatewayError): void;
}

/** One run of the filters below a nesting filter. Owned by the outer run's scope: ended with it. */
export interface InnerRun {
  readonly run: RunInfo;
  /** Pauses the run's producer; calls nest. */
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
  /** Ends the run and releases its scope. Idempotent; also after its end. */
  reset(): void;
}

/** Runs once per run of the chain. Return undefined to leave the filter out of it. Must not throw, must not await. */
export type FilterFactoryCb = (callbacks: StreamFilterCallbacks) => StreamFilter | undefined;
