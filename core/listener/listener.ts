import { createServer, type Server } from 'node:net';
import type { Clock } from '../api/clock.js';
import type { BoundServer, ServerStreamAcceptor } from '../api/http-server.js';
import { ConnectionService, type ListenerTls } from './connection-service.js';
import { DEFAULT_LISTENER_LIMITS, type ListenerLimits, WRITE_HIGH_WATERMARK_BYTES } from './listener-limits.js';
import { ignore } from './owned-socket.js';

export type { ListenerTls } from './connection-service.js';

/** What connections are served with, from their first byte to their last. */
export interface ListenerService {
  /** Clear text when absent. ALPN offers `h2` and `http/1.1`. */
  readonly tls?: ListenerTls;
  /** What is not given is as in DEFAULT_LISTENER_LIMITS. */
  readonly limits?: Partial<ListenerLimits>;
}

export interface ListenerOptions extends ListenerService {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. Default 0. */
  readonly port?: number;
  /** A unix socket instead of host and port; host is then the path and port 0. */
  readonly path?: string;
  readonly clock: Clock;
}

/** A bound socket with its numbers. */
export interface Listener extends BoundServer {
  /** Connections now, and those of them on which nothing is going on. Counts them: for scrapes, not for hot paths. */
  readonly connections: { readonly open: number; readonly idle: number };
  /**
   * Makes ready another service for the connections that come after the returned function was called; until then, and
   * when it never is, nothing changes. Connections that are open keep what they have. Throws for keys and certificates
   * that cannot be used.
   */
  prepare(service: ListenerService, accept: ServerStreamAcceptor): () => void;
}

/** Connections that the kernel completes before we take them. */
const BACKLOG = 1024;
const TCP_KEEP_ALIVE_MS = 60_000;

/**
 * Opens one listening socket for HTTP/1 and HTTP/2: in clear text the client's first bytes decide (HTTP/2 with prior
 * knowledge), under TLS ALPN does. Rejects with the error of the operating system when it cannot be bound.
 */
export async function openListener(options: ListenerOptions, accept: ServerStreamAcceptor): Promise<Listener> {
  const server = new SocketServer(options, accept);
  await server.listen(options);
  return server;
}

/** The bound socket. It hands each connection to the service that is current when it comes. */
class SocketServer implements Listener {
  host = '';
  port = 0;
  readonly #server: Server;
  readonly #clock: Clock;
  /** The current one last; before it those that still have connections. */
  #services: ConnectionService[] = [];
  #draining = false;
  #closed: Promise<void> | undefined = undefined;
  #onConnectionsGone: () => void = () => {};

  constructor(options: ListenerOptions, accept: ServerStreamAcceptor) {
    this.#clock = options.clock;
    this.#server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      highWaterMark: WRITE_HIGH_WATERMARK_BYTES,
    });
    this.#server.on('connection', (socket) => this.#current.take(socket));
    this.prepare(options, accept)();
  }

  get #current(): ConnectionService {
    return this.#services.at(-1) as ConnectionService;
  }

  get connections(): { open: number; idle: number } {
    let open = 0;
    let idle = 0;
    for (const { host } of this.#services) {
      open += host.connections.size;
      for (const connection of host.connections) if (connection.idle) idle++;
    }
    return { open, idle };
  }

  prepare(service: ListenerService, accept: ServerStreamAcceptor): () => void {
    const limits = { ...DEFAULT_LISTENER_LIMITS, ...service.limits };
    const next = new ConnectionService(service.tls, limits, accept, this.#clock, () => this.#onServiceEmpty());
    return () => {
      next.host.draining = this.#draining;
      this.#server.maxConnections = limits.maxConnections > 0 ? limits.maxConnections : Number.POSITIVE_INFINITY;
      this.#services.push(next);
      this.#onServiceEmpty();
    };
  }

  listen(options: ListenerOptions): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const onListening = (): void => {
        server.off('error', reject);
        // Later errors are about single connections that could not be taken (no descriptors left); the rest goes on.
        server.on('error', ignore);
        const address = server.address();
        this.host = typeof address === 'string' ? address : (address?.address ?? '');
        this.port = typeof address === 'object' ? (address?.port ?? 0) : 0;
        resolve();
      };
      if (options.path === undefined) {
        server.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 0, backlog: BACKLOG }, onListening);
      } else {
        server.listen({ path: options.path, backlog: BACKLOG }, onListening);
      }
    });
  }

  drain(): Promise<void> {
    const closed = this.#stopListening();
    for (const service of this.#services) service.drain();
    return closed;
  }

  close(): Promise<void> {
    const closed = this.#stopListening();
    for (const service of this.#services) service.destroy();
    return closed;
  }

  /** Resolves when the last connection is gone. */
  #stopListening(): Promise<void> {
    this.#draining = true;
    for (const { host } of this.#services) host.draining = true;
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => {
        if (this.connections.open === 0) resolve();
        else this.#onConnectionsGone = resolve;
      });
    });
    return this.#closed;
  }

  /** A service has lost its last connection, or its place. */
  #onServiceEmpty(): void {
    this.#services = this.#services.filter((service) => service === this.#current || !service.empty);
    if (this.#draining && this.connections.open === 0) this.#onConnectionsGone();
  }
}
