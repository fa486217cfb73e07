import type { Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Clock } from '../api/clock.js';
import type { ServerStreamAcceptor } from '../api/http-server.js';
import { ConnectionHost, type ServerConnection } from './connection-host.js';
import { Http1Connection } from './http1-connection.js';
import { Http2Acceptor } from './http2-connection.js';
import type { ListenerLimits } from './listener-limits.js';
import { disown, ignore, type OwnedSocket, own, type SocketOwner } from './owned-socket.js';

/** PEM texts, as for node:tls. */
export interface ListenerTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** With it, clients are asked for a certificate that one of these authorities signed. */
  readonly ca?: string | Buffer | readonly string[];
  /** With `ca`: whether a client without a certificate is turned away (`require`, the default). */
  readonly clientAuth?: 'require' | 'request';
  /** Called for each handshake that fails, a wrong client certificate included. */
  readonly onHandshakeFailed?: () => void;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Serves connections by one set of limits, one certificate, one acceptor. */
export class ConnectionService {
  readonly host: ConnectionHost;
  readonly #http2: Http2Acceptor;
  readonly #tls: TlsServer | undefined;
  /** Raw sockets under TLS; those in their handshake have no connection object. */
  readonly #secured = new Set<Socket>();
  readonly #onEmpty: () => void;

  constructor(
    tls: ListenerTls | undefined,
    limits: ListenerLimits,
    accept: ServerStreamAcceptor,
    clock: Clock,
    onEmpty: () => void,
  ) {
    this.#onEmpty = onEmpty;
    this.host = new ConnectionHost(accept, limits, tls === undefined ? 'http' : 'https', clock, () => this.#check());
    this.#http2 = new Http2Acceptor(this.host);
    this.#tls = tls === undefined ? undefined : this.#createTlsServer(tls, limits);
  }

  /** Neither connections nor handshakes. */
  get empty(): boolean {
    return this.host.connections.size === 0 && this.#secured.size === 0;
  }

  take(socket: Socket): void {
    if (this.#tls === undefined) {
      own(socket, new FirstBytes(socket, this.host, this.#http2), true);
      return;
    }
    this.#secured.add(socket);
    socket.once('close', () => {
      this.#secured.delete(socket);
      this.#check();
    });
    // The documented way to give a socket to a TLS server that listens on nothing itself.
    this.#tls.emit('connection', socket);
  }

  drain(): void {
    for (const connection of this.host.connections) connection.drain();
  }

  destroy(): void {
    for (const connection of this.host.connections) connection.destroy();
    for (const socket of this.#secured) socket.destroy();
  }

  #check(): void {
    if (this.empty) this.#onEmpty();
  }

  #createTlsServer(tls: ListenerTls, limits: ListenerLimits): TlsServer {
    const { cert, key, ca, clientAuth = 'require', onHandshakeFailed = ignore } = tls;
    const server = createTlsServer({
      cert,
      key,
      ...(ca !== undefined && { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
      requestCert: ca !== undefined,
      rejectUnauthorized: ca !== undefined && clientAuth === 'require',
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: limits.headMs > 0 ? limits.headMs : 0x7fffffff,
    });
    server.on('tlsClientError', () => onHandshakeFailed());
    server.on('secureConnection', (socket: TLSSocket) => {
      if (this.host.draining) socket.destroy();
      else if (ca !== undefined && !isWelcome(socket)) {
        onHandshakeFailed();
        socket.destroy();
      } else if (socket.alpnProtocol === 'h2') this.#http2.accept(socket);
      else openHttp1(socket, this.host);
    });
    return server;
  }
}

/** A client may come without a certificate where none is required, but not with a wrong one. */
function isWelcome(socket: TLSSocket): boolean {
  return socket.authorized || socket.getPeerX509Certificate() === undefined;
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
      socket.unshift(Buffer.from(bytes));
      this.#http2.accept(socket);
      this.#host.remove(this);
    } else {
      this.#bytes = Buffer.from(bytes);
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
  own(socket, connection, false);
}
