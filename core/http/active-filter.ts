import { BugError, type GatewayError } from '../api/errors.js';
import type {
  DetachedSink,
  DetachedStart,
  InnerRequest,
  InnerRun,
  InnerSink,
  RunInfo,
  StreamFilterCallbacks,
  WatermarkCallbacks,
} from '../api/filter.js';
import type { HeaderMap, ResponseHeaders } from '../api/headers.js';
import type { Delta, InferenceRequest } from '../api/inference.js';
import type { RequestScope } from '../api/scope.js';
import type { StreamInfo } from '../api/stream-info.js';
import type { FilterManager } from './filter-manager.js';

/** One filter's handle on its run: knows its place in the chain, and hands everything to the manager. */
export class ActiveFilter implements StreamFilterCallbacks {
  readonly #manager: FilterManager;
  readonly #index: number;
  readonly streamInfo: StreamInfo;
  readonly run: RunInfo;
  readonly scope: RequestScope;
  bufferLimit: number;

  constructor(manager: FilterManager, index: number, bufferLimit: number) {
    this.#manager = manager;
    this.#index = index;
    this.streamInfo = manager.streamInfo;
    this.run = manager.run;
    this.scope = manager.scope;
    this.bufferLimit = bufferLimit;
  }

  get signal(): AbortSignal {
    return this.#manager.signal;
  }

  continueDecoding(): void {
    this.#manager.continueDecoding(this.#index);
  }

  continueEncoding(): void {
    this.#manager.continueEncoding(this.#index);
  }

  continueWithRequest(request: InferenceRequest): void {
    this.#manager.continueWithRequest(this.#index + 1, request);
  }

  injectDecodedData(bytes: Buffer, endStream: boolean): void {
    this.#manager.decodeData(this.#index + 1, bytes, endStream);
  }

  injectEncodedData(bytes: Buffer, endStream: boolean): void {
    this.#manager.injectEncoded(this.#index, bytes, undefined, endStream);
  }

  injectEncodedDelta(delta: Delta, endStream: boolean): void {
    this.#manager.injectEncoded(this.#index, undefined, delta, endStream);
  }

  sendLocalReply(error: GatewayError, modifyHeaders?: (headers: ResponseHeaders) => void): void {
    this.#manager.sendLocalReply(error, modifyHeaders);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#manager.encodeHeaders(this.#index - 1, headers, endStream);
  }

  encodeData(bytes: Buffer, endStream: boolean, framed?: Buffer): void {
    this.#manager.encodeData(this.#index - 1, bytes, endStream, framed);
  }

  encodeDelta(delta: Delta, endStream: boolean): void {
    this.#manager.encodeDelta(this.#index - 1, delta, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#manager.encodeTrailers(this.#index - 1, trailers);
  }

  addDownstreamWatermarkCallbacks(callbacks: WatermarkCallbacks): void {
    this.#manager.addWatermarkCallbacks(callbacks);
  }

  removeDownstreamWatermarkCallbacks(callbacks: WatermarkCallbacks): void {
    this.#manager.removeWatermarkCallbacks(callbacks);
  }

  openInner(request: InnerRequest, sink: InnerSink): InnerRun {
    if (!this.#manager.isNesting(this.#index)) throw new BugError('openInner: this filter is not declared as nesting');
    return this.#manager.openInner(request, sink);
  }

  openDetached(request: InnerRequest, start: DetachedStart, sink: DetachedSink): InnerRun {
    if (!this.#manager.isNesting(this.#index))
      throw new BugError('openDetached: this filter is not declared as nesting');
    return this.#manager.openDetached(request, start, sink);
  }
}
