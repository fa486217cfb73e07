import { DEFAULT_HEAD_LIMITS, type HeadLimits } from '../http1/head-parser.js';

/** Bounds on what one listener does for its clients. A time or count of 0 switches that bound off. */
export interface ListenerLimits extends HeadLimits {
  /** From the connection, or the first byte of a later request, to its complete head. ms. */
  readonly headMs: number;
  /** Without a request between two of them. ms. */
  readonly keepAliveMs: number;
  /** Without a byte of a request body that we are ready to read. ms. */
  readonly bodyStallMs: number;
  /** Without taking a byte of what is ready to be sent. ms. */
  readonly writeStallMs: number;
  /** Further connections are closed as they come. */
  readonly maxConnections: number;
  /** The last of them is answered with `connection: close`. */
  readonly maxRequestsPerConnection: number;
  /** HTTP/2: streams of one connection at the same time; never 0. */
  readonly maxConcurrentStreams: number;
}

/** Heads 64 KiB, 100 fields, 30 s; idle 90 s; body 60 s; reader 5 min; any number of connections; 256 streams. */
export const DEFAULT_LISTENER_LIMITS: ListenerLimits = {
  ...DEFAULT_HEAD_LIMITS,
  headMs: 30_000,
  keepAliveMs: 90_000,
  bodyStallMs: 60_000,
  writeStallMs: 300_000,
  maxConnections: 0,
  maxRequestsPerConnection: 0,
  maxConcurrentStreams: 256,
};

/** Unsent bytes of one client above which its producer is told to stop. */
export const WRITE_HIGH_WATERMARK_BYTES = 64 * 1024;
