import type { GatewayError } from './errors.js';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './headers.js';
import { createToken, type InjectionToken } from './injection.js';
import type { UpstreamTimeouts } from './worker.js';

/** Callbacks of one upstream exchange, all synchronous. Exactly one of: an `endStream`, `onTrailers`, `onError`. */
export interface UpstreamHandler {
  /** The final response head; 1xx are consumed below. */
  onHeaders(headers: ResponseHeaders, endStream: boolean): void;
  /**
   * Body bytes, valid during the call unless kept by reference (buffers are not reused). `framed`: the same bytes still
   * in the worker's HTTP/1.1 chunk framing, for a writer that can pass them on as they are.
   */
  onData(bytes: Buffer, endStream: boolean, framed: Buffer | undefined): void;
  /** Ends the response. */
  onTrailers(trailers: HeaderMap): void;
  /** Ends the exchange: connect failure, reset, time limit, protocol error; before or after the head. */
  onError(error: GatewayError): void;
}

/** Handle on one exchange. */
export interface UpstreamExchange {
  /** Stops reading from the worker. Calls nest: as many `resume` as `pause`. */
  pause(): void;
  resume(): void;
  /** Stops the exchange and closes what cannot be reused. No callback follows. Idempotent. */
  abort(): void;
}

/** TLS settings of the workers of one cluster. Opaque: only the client looks inside. Equal ids: equal settings. */
export interface UpstreamTls {
  readonly id: string;
}

export interface UpstreamRequest {
  /** Origin: scheme, host, port. */
  readonly url: string;
  /** `path` is complete (base path of the worker included); `authority` empty means that of `url`. */
  readonly headers: RequestHeaders;
  /** Must not change until the exchange has ended; nothing reads it after that. */
  readonly body: Buffer | undefined;
  readonly timeouts: UpstreamTimeouts;
  /** That of the worker; without it the authorities that Node knows, no client certificate. */
  readonly tls?: UpstreamTls | undefined;
}

/** HTTP towards workers: pooled, with time limits, without redirects, cookies or decompression. */
export interface UpstreamClient {
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange;
}

export const UpstreamClient: InjectionToken<UpstreamClient> = createToken('UpstreamClient');
