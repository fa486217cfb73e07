import type { Clock } from '../api/clock.js';
import type { HeaderMap, RequestHeaders } from '../api/headers.js';
import type { ServerStreamHandler, StreamResetReason } from '../api/http-server.js';
import type { StreamInfo } from '../api/stream-info.js';
import type { FilterManager } from './filter-manager.js';
import type { ResponseSink } from './response-sink.js';

/** The request half of one stream: what the codec reads goes to the outermost run of the chain. */
export class HttpStream implements ServerStreamHandler {
  readonly #info: StreamInfo;
  readonly #clock: Clock;
  readonly #manager: FilterManager;
  readonly #response: ResponseSink;

  constructor(info: StreamInfo, clock: Clock, manager: FilterManager, response: ResponseSink) {
    this.#info = info;
    this.#clock = clock;
    this.#manager = manager;
    this.#response = response;
  }

  start(headers: RequestHeaders, endStream: boolean): void {
    if (endStream) this.#info.requestCompleteMs = this.#info.startedMs;
    this.#manager.decodeHeaders(headers, endStream);
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#info.requestBytes += bytes.length;
    if (endStream) this.#info.requestCompleteMs = this.#clock.monotonicMs();
    this.#manager.decodeData(0, bytes, endStream);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#info.requestCompleteMs = this.#clock.monotonicMs();
    this.#manager.decodeTrailers(trailers);
  }

  /** The client is gone: everything that works for it stops in this very call. */
  onReset(reason: StreamResetReason): void {
    if (this.#response.onClientReset(reason)) this.#manager.reset();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#manager.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#manager.onBelowWriteBufferLowWatermark();
  }
}
