import type { Clock } from '../api/clock.js';
import type { UpstreamExchange, UpstreamHandler, UpstreamRequest } from '../api/upstream.js';
import { ConnectionPool, type PoolObserver } from './connection-pool.js';
import { Http1Exchange } from './http1-exchange.js';
import type { OriginTransport, TransportCounts } from './origin-transport.js';
import type { PoolSettings } from './worker-spec.js';

/** What all plain HTTP/1.1 origins share. */
export interface Http1Environment {
  readonly clock: Clock;
  /** Every socket of the process reads into it. */
  readonly readBuffer: Buffer;
}

/** HTTP/1.1 in clear text to one origin, over a pool of kept connections. */
export class Http1Transport implements OriginTransport {
  readonly #authority: string;
  readonly #pool: ConnectionPool;

  constructor(origin: URL, settings: PoolSettings, environment: Http1Environment, observer: PoolObserver) {
    this.#authority = origin.host;
    const target = {
      // URL keeps the brackets of an IPv6 address, sockets do not want them.
      host: origin.hostname.replace(/^\[|\]$/g, ''),
      port: origin.port === '' ? 80 : Number(origin.port),
      clock: environment.clock,
      readBuffer: environment.readBuffer,
    };
    this.#pool = new ConnectionPool(target, settings, observer);
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    const exchange = new Http1Exchange(request, handler, this.#authority);
    this.#pool.dispatch(exchange);
    return exchange;
  }

  configure(settings: PoolSettings): void {
    this.#pool.configure(settings);
  }

  close(): void {
    this.#pool.close();
  }

  counts(): TransportCounts {
    return { open: this.#pool.open, idle: this.#pool.idle, waiting: this.#pool.waiting };
  }
}
