import type { HeaderMap, RequestHeaders, ResponseHeaders } from './headers.js';
import { createToken, type InjectionToken } from './injection.js';

/** One request as the listener hands it over, and the way to answer it. Callbacks may be set until the first event. */
export interface ServerStream {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** Peer address without port. */
  readonly remoteAddress: string;
  /** Answer head. Once. */
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  /** `framed` as in {@link UpstreamHandler.onData}: used as it is where the client speaks HTTP/1.1 chunks. */
  encodeData(bytes: Buffer, endStream: boolean, framed?: Buffer): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Ends the stream abruptly: RST_STREAM, or closing the connection. `onReset` is not called for it. */
  reset(): void;
  /**
   * Breaks the connection on purpose, for engines that script faults: writes `bytes` as they are, outside HTTP, after
   * what was encoded before, then ends with a FIN (`end`) or a TCP RST (`reset`). HTTP/1 only; absent means unable, and
   * {@link ServerStream.reset} is the nearest thing. `onReset` is not called for it.
   */
  breakConnection?(bytes: Buffer | undefined, how: 'end' | 'reset'): void;
  /** Stops or resumes reading the request body. Calls nest. */
  readDisable(disable: boolean): void;
  /** True while more bytes wait to be written than the high watermark. */
  readonly aboveHighWatermark: boolean;
}

/** Receives one request. Exactly one end: `endStream`, `onTrailers` or `onReset`; `onReset` may also follow an end. */
export interface ServerStreamHandler {
  /** `bytes` are valid during the call only: copy what is kept. */
  onData(bytes: Buffer, endStream: boolean): void;
  onTrailers(trailers: HeaderMap): void;
  /** The client is gone, or broke the protocol; nothing can be answered any more. */
  onReset(reason: StreamResetReason): void;
  /** Bytes waiting crossed the mark. Alternates, beginning with high. */
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

export type StreamResetReason = 'client_closed' | 'protocol_error' | 'body_stalled' | 'write_stalled' | 'shutdown';

/** Makes the handler of a request when its head is complete. Called synchronously; must not throw. */
export type ServerStreamAcceptor = (
  stream: ServerStream,
  headers: RequestHeaders,
  endStream: boolean,
) => ServerStreamHandler;

/** A bound socket. */
export interface BoundServer {
  readonly host: string;
  readonly port: number;
  /** Stops accepting, ends idle connections, asks h2 clients to leave; resolves when the last connection is gone. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}

/** Opens servers on the gateway's own codec, for engines and probes that live in the process. */
export interface HttpServers {
  listen(options: { host: string; port: number }, accept: ServerStreamAcceptor): Promise<BoundServer>;
}

export const HttpServers: InjectionToken<HttpServers> = createToken('HttpServers');
