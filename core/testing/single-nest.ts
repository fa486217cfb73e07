import type { GatewayError } from '../api/errors.js';
import {
  type BodyData,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type InnerRun,
  type InnerSink,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../api/filter.js';
import type { RequestHeaders, ResponseHeaders } from '../api/headers.js';
import type { InferenceRequest } from '../api/inference.js';

/** A nesting filter that decides nothing: one inner run, whose answer it passes on in bytes. */
export class SingleNest implements StreamFilter, InnerSink {
  readonly #callbacks: StreamFilterCallbacks;
  readonly #waits: boolean;
  #headers: RequestHeaders | undefined = undefined;
  inner: InnerRun | undefined = undefined;

  /** `waits`: the run begins with a copy of the request once that was read, not with the head. */
  constructor(callbacks: StreamFilterCallbacks, waits: boolean) {
    this.#callbacks = callbacks;
    this.#waits = waits;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    this.#headers = headers;
    if (!this.#waits) this.inner = this.#callbacks.openInner({ headers, inference: undefined }, this);
    return FilterHeadersStatus.StopIteration;
  }

  decodeData(): FilterDataStatus {
    return FilterDataStatus.StopIterationNoBuffer;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    const headers = this.#headers as RequestHeaders;
    this.inner = this.#callbacks.openInner({ headers, inference: request.fork() }, this);
    return FilterTrailersStatus.StopIteration;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#callbacks.encodeHeaders(headers, endStream);
  }

  onData(data: BodyData, endStream: boolean): void {
    this.#callbacks.encodeData(data.bytes, endStream, data.framed);
  }

  onDelta(): void {
    throw new Error('no deltas here');
  }

  onTrailers(): void {
    throw new Error('no trailers here');
  }

  onError(error: GatewayError): void {
    this.#callbacks.sendLocalReply(error);
  }
}
