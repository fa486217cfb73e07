import type { Clock } from '../api/clock.js';
import { GatewayError } from '../api/errors.js';
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
  readonly #bodyLimitBytes: number;

  /** `bodyLimitBytes`: of the listener; a larger body is answered with 413 as soon as that is known. */
  constructor(info: StreamInfo, clock: Clock, manager: FilterManager, response: ResponseSink, bodyLimitBytes: number) {
    this.#info = info;
    this.#clock = clock;
    this.#manager = manager;
    this.#response = response;
    this.#bodyLimitBytes = bodyLimitBytes;
  }

  start(headers: RequestHeaders, endStream: boolean): void {
    if (endStream) this.#info.requestCompleteMs = this.#info.startedMs;
    else if (Number(headers.get('content-length') ?? 0) > this.#bodyLimitBytes) {
      this.#refuseBody();
      return;
    }
    this.#manager.decodeHeaders(headers, endStream);
  }

  #refuseBody(): void {
    const message = `The request body is larger than the limit of ${this.#bodyLimitBytes} bytes`;
    this.#manager.sendLocalReply(new GatewayError('request_body_too_large', message));
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#info.requestBytes += bytes.length;
    if (this.#info.requestBytes > this.#bodyLimitBytes) {
      this.#refuseBody();
      return;
    }
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
