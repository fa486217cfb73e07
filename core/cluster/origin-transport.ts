import type { UpstreamExchange, UpstreamHandler, UpstreamRequest } from '../api/upstream.js';
import type { PoolSettings } from './worker-spec.js';

/** What the pool of one origin holds now. */
export interface TransportCounts {
  /** Connections, those being opened included. */
  readonly open: number;
  /** Connections without an exchange. */
  readonly idle: number;
  /** Exchanges without a connection. */
  readonly waiting: number;
}

/** The way to one origin. */
export interface OriginTransport {
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange;
  configure(settings: PoolSettings): void;
  /** Closes what is unused; exchanges under way end in their own time. Nothing is sent afterwards. */
  close(): void;
  counts(): TransportCounts;
}
