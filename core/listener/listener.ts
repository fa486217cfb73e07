import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Clock } from '../api/clock.js';
import type { BoundServer, ServerStreamAcceptor } from '../api/http-server.js';
import { ConnectionHost, type ServerConnection } from './connection-host.js';
import { Http1Connection } from './http1-connection.js';
import { Http2Acceptor } from './http2-connection.js';
import { DEFAULT_LISTENER_LIMITS, type ListenerLimits, WRITE_HIGH_WATERMARK_BYTES } from './listener-limits.js';

/** PEM texts, as for node:tls. */
export interface ListenerTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** With it, clients must present a certificate that it signed. */
  readonly ca?: string | Buffer;
}

export interface ListenerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. Default 0. */
  readonly port?: number;
  /** A unix socket instead of host and port; host is then the path and port 0. */
  readonly path?: string;
  /** Clear text when absent. ALPN offers `h2` and `http/1.1`. */
  readonly tls?: ListenerTls;
  /** What is not given is as in DEFAULT_LISTENER_LIMITS. */
  readonly limits?: Partial<ListenerLimits>;
  readonly clock: Clock;
}

/** A bound socket with its numbers. */
export interface Listener extends BoundServer {
  /** Connections now, and those of them on which nothing is going on. Counts them: for scrapes, not for hot paths. */
  readonly connections: { readonly open: number; readonly idle: number };
}

/** Connections that the kernel completes before we take them. */
const BACKLOG = 1024;
const TCP_KEEP_ALIVE_MS = 60_000;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** What the events of a socket are for; kept on the socket so that no event needs a closure. */
interface SocketOwner {
  onData(chunk: Buffer): void;
  onDrain(): void;
  onEnd(): void;
  onClose(): void;
}
interface OwnedSocket extends Socket {
  smgOwner: SocketOwner;
}

/**
 * Opens one listening socket for HTTP/1 and HTTP/2: in clear text the client's first bytes decide (HTTP/2 with prior
 * knowledge), under TLS ALPN does. Rejects with the error of the operating system when it cannot be bound.
 */
export async function openListener(options: ListenerOptions, accept: ServerStreamAcceptor): Promise<Listener> {
  const limits = { ...DEFAULT_LISTENER_LIMITS, ...options.limits };
  const server = new SocketServer(options, limits, accept);
  await server.listen(options);
  return server;
}

class SocketServer implements Listener {
  host = '';
  port = 0;
  readonly #server: Server;
  readonly #host: ConnectionHost;
  readonly #http2: Http2Acceptor;
  /** Sockets that have no connection object: in their TLS handshake. */
  readonly #handshaking = new Set<Socket>();
  #closed: Promise<void> | undefined = undefined;
  #onConnectionsGone: () => void = () => {};

  constructor(options: ListenerOptions, limits: ListenerLimits, accept: ServerStreamAcceptor) {
    const scheme = options.tls === undefined ? 'http' : 'https';
    this.#host = new ConnectionHost(accept, limits, scheme, options.clock, () => this.#onConnectionsGone());
    this.#http2 = new Http2Acceptor(this.#host);
    this.#server =
      options.tls === undefined ? this.#createClearTextServer() : this.#createTlsServer(options.tls, limits);
    if (limits.maxConnections > 0) this.#server.maxConnections = limits.maxConnections;
  }

  get connections(): { open: number; idle: number } {
    let idle = 0;
    for (const connection of this.#host.connections) if (connection.idle) idle++;
    return { open: this.#host.connections.size, idle };
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
    this.#host.draining = true;
    const closed = this.#stopListening();
    for (const connection of this.#host.connections) connection.drain();
    return closed;
  }

  close(): Promise<void> {
    this.#host.draining = true;
    const closed = this.#stopListening();
    for (const connection of this.#host.connections) connection.destroy();
    for (const socket of this.#handshaking) socket.destroy();
    return closed;
  }

  /** Resolves when the last connection is gone. */
  #stopListening(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => {
        if (this.#host.connections.size === 0) resolve();
        else this.#onConnectionsGone = resolve;
      });
    });
    return this.#closed;
  }

  #createClearTextServer(): Server {
    const server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      highWaterMark: WRITE_HIGH_WATERMARK_BYTES,
    });
    server.on('connection', (socket) => {
      own(socket, new FirstBytes(socket, this.#host, this.#http2));
    });
    return server;
  }

  #createTlsServer(tls: ListenerTls, limits: ListenerLimits): Server {
    const server = createTlsServer({
      ...tls,
      requestCert: tls.ca !== undefined,
      rejectUnauthorized: tls.ca !== undefined,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: limits.headMs > 0 ? limits.headMs : 0x7fffffff,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    });
    server.on('connection', (socket: Socket) => {
      this.#handshaking.add(socket);
      socket.once('close', () => this.#handshaking.delete(socket));
    });
    server.on('tlsClientError', ignore);
    server.on('secureConnection', (socket: TLSSocket) => {
      if (this.#host.draining) socket.destroy();
      else if (socket.alpnProtocol === 'h2') this.#http2.accept(socket);
      else openHttp1(socket, this.#host);
    });
    return server;
  }
}

/** A clear-text connection that has not shown its protocol. */
class FirstBytes implements SocketOwner, ServerConnection {
  readonly idle = true;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #http2: Http2Acceptor;
  #bytes: Buffer | undefined = undefined;
  #sinceMs = 0;

  constructor(socket: Socket, host: ConnectionHost, http2: Http2Acceptor) {
    this.#socket = socket;
    this.#host = host;
    this.#http2 = http2;
    host.add(this);
  }

  onData(chunk: Buffer): void {
    const bytes = this.#bytes === undefined ? chunk : Buffer.concat([this.#bytes, chunk]);
    const length = Math.min(bytes.length, PREFACE.length);
    if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) {
      // Before leaving, so that the host never looks empty.
      const connection = new Http1Connection(this.#socket, this.#host);
      this.#host.add(connection);
      (this.#socket as OwnedSocket).smgOwner = connection;
      this.#host.remove(this);
      connection.onData(bytes);
    } else if (length === PREFACE.length) {
      const socket = this.#socket;
      disown(socket);
      socket.unshift(bytes);
      this.#http2.accept(socket);
      this.#host.remove(this);
    } else {
      this.#bytes = bytes;
    }
  }

  onDrain(): void {}

  onEnd(): void {
    this.#socket.destroy();
  }

  onClose(): void {
    this.#host.remove(this);
  }

  sweep(nowMs: number): void {
    if (this.#sinceMs === 0) this.#sinceMs = nowMs;
    const limitMs = this.#host.limits.headMs;
    if (limitMs > 0 && nowMs - this.#sinceMs >= limitMs) this.#socket.destroy();
  }

  drain(): void {
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function openHttp1(socket: Socket, host: ConnectionHost): void {
  const connection = new Http1Connection(socket, host);
  host.add(connection);
  own(socket, connection);
}

function own(socket: Socket, owner: SocketOwner): void {
  (socket as OwnedSocket).smgOwner = owner;
  socket.on('data', onData);
  socket.on('drain', onDrain);
  socket.on('end', onEnd);
  socket.on('error', ignore);
  socket.on('close', onClose);
}

/** The socket goes to somebody else, paused. */
function disown(socket: Socket): void {
  socket.off('data', onData);
  socket.off('drain', onDrain);
  socket.off('end', onEnd);
  socket.off('error', ignore);
  socket.off('close', onClose);
  socket.pause();
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  this.smgOwner.onData(chunk);
}

function onDrain(this: OwnedSocket): void {
  this.smgOwner.onDrain();
}

function onEnd(this: OwnedSocket): void {
  this.smgOwner.onEnd();
}

function onClose(this: OwnedSocket): void {
  this.smgOwner.onClose();
}

/** An error of the socket is followed by `close`, which is what we act on. */
function ignore(): void {}
