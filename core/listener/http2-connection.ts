import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { HeaderMap, RequestHeaders } from '../api/headers.js';
import { isSupportedMethod } from '../http1/head-parser.js';
import { Http1ProtocolError } from '../http1/protocol-error.js';
import { checkTarget, isAuthority, TargetForm } from '../http1/request-target.js';
import type { ConnectionHost, ServerConnection } from './connection-host.js';
import { answerHttp2Error, Http2Stream } from './http2-stream.js';

const END_STREAM_FLAG = 0x1;

/** node's stream with ours on it, so that events need no closure each. */
interface OwnedStream extends ServerHttp2Stream {
  smgStream: Http2Stream;
}

/** One HTTP/2 connection over node:http2, which enforces the protocol, flow control and the limits on resets. */
export class Http2Connection implements ServerConnection {
  readonly #session: ServerHttp2Session;
  readonly #host: ConnectionHost;
  readonly #remoteAddress: string;
  readonly #streams = new Set<Http2Stream>();
  #requests = 0;
  #progressed = true;
  #sinceMs = 0;

  constructor(session: ServerHttp2Session, host: ConnectionHost) {
    this.#session = session;
    this.#host = host;
    this.#remoteAddress = session.socket.remoteAddress ?? '';
    session.on('close', () => host.remove(this));
    session.on('error', ignore);
    host.add(this);
  }

  get idle(): boolean {
    return this.#streams.size === 0;
  }

  /** A request head. `fields`: names and values alternate, pseudo-header fields first. */
  onRequest(stream: ServerHttp2Stream, flags: number, fields: readonly string[]): void {
    this.#progressed = true;
    this.#requests++;
    const endStream = (flags & END_STREAM_FLAG) !== 0;
    const headers = new RequestHeaders('', '', '', this.#host.scheme);
    const problem = readRequestFields(headers, fields);
    if (problem !== undefined) {
      stream.on('error', ignore);
      answerHttp2Error(stream, problem.status, 'invalid_request', problem.message);
      return;
    }
    const wantsTrailers = headers.get('te')?.includes('trailers') === true;
    const own = new Http2Stream(stream, this.#remoteAddress, headers.method === 'HEAD', wantsTrailers, endStream);
    this.#streams.add(own);
    const owned = Object.assign(stream, { smgStream: own });
    stream.on('close', () => {
      this.#progressed = true;
      this.#streams.delete(own);
      own.onClose();
    });
    stream.on('error', ignore);
    stream.on('drain', onDrain);
    stream.on('wantTrailers', onWantTrailers);
    own.attach(this.#host.accept(own, headers, endStream));
    if (!endStream) listenToBody(owned);
    else if (!stream.destroyed) stream.resume();
    const most = this.#host.limits.maxRequestsPerConnection;
    if (most > 0 && this.#requests >= most) this.#session.close();
  }

  drain(): void {
    if (!this.#session.closed) this.#session.close();
  }

  destroy(): void {
    for (const stream of this.#streams) stream.fail('shutdown');
    this.#session.destroy();
  }

  sweep(nowMs: number): void {
    const limits = this.#host.limits;
    for (const stream of this.#streams) stream.sweep(nowMs, limits.bodyStallMs, limits.writeStallMs);
    if (this.#progressed || this.#streams.size > 0) {
      this.#progressed = false;
      this.#sinceMs = nowMs;
      return;
    }
    const limitMs = this.#requests === 0 ? limits.headMs : limits.keepAliveMs;
    if (limitMs === 0 || nowMs - this.#sinceMs < limitMs) return;
    // A second time when the client did not take the hint.
    if (this.#session.closed) this.#session.destroy();
    else this.#session.close();
    this.#progressed = true;
  }
}

/** Takes sockets whose client speaks HTTP/2. node:http2 is loaded when the first one does. */
export class Http2Acceptor {
  readonly #host: ConnectionHost;
  #server: Http2Server | undefined = undefined;

  constructor(host: ConnectionHost) {
    this.#host = host;
  }

  /** The socket has no listeners left and is paused; bytes that were read have been unshifted. */
  accept(socket: Socket): void {
    this.#server ??= this.#createServer();
    this.#server.emit('connection', socket);
  }

  #createServer(): Http2Server {
    const http2 = createRequire(import.meta.url)('node:http2') as typeof import('node:http2');
    const limits = this.#host.limits;
    const server = http2.createServer({
      settings: { maxConcurrentStreams: limits.maxConcurrentStreams, maxHeaderListSize: limits.maxHeadBytes },
      // Four pseudo-header fields stand before the others.
      maxHeaderListPairs: limits.maxFields + 4,
    });
    const connections = new WeakMap<object, Http2Connection>();
    server.on('session', (session) => connections.set(session, new Http2Connection(session, this.#host)));
    server.on('stream', (stream, _headers, flags, ...rest: unknown[]) => {
      const connection = stream.session === undefined ? undefined : connections.get(stream.session);
      connection?.onRequest(stream, flags, rest[0] as string[]);
    });
    server.on('sessionError', ignore);
    return server;
  }
}

function listenToBody(stream: OwnedStream): void {
  stream.on('trailers', onTrailers);
  stream.on('end', onEnd);
  stream.on('data', onData);
}

function onData(this: OwnedStream, bytes: Buffer): void {
  this.smgStream.onData(bytes);
}

function onEnd(this: OwnedStream): void {
  this.smgStream.onEnd();
}

function onDrain(this: OwnedStream): void {
  this.smgStream.onDrain();
}

function onWantTrailers(this: OwnedStream): void {
  this.smgStream.onWantTrailers();
}

function onTrailers(this: OwnedStream, _headers: object, _flags: number, fields: readonly string[]): void {
  this.smgStream.onTrailers(new HeaderMap([...fields]));
}

/** Fills `headers`; the same rules as in HTTP/1 for method, target and authority. */
function readRequestFields(headers: RequestHeaders, fields: readonly string[]): Http1ProtocolError | undefined {
  let host: string | undefined;
  let cookie = '';
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name === ':method') headers.method = value;
    else if (name === ':path') headers.path = value;
    else if (name === ':authority') headers.authority = value;
    else if (name === 'host') host = host === undefined ? value : `${host}, ${value}`;
    // RFC 9113 §8.2.3: crumbs become one field again outside HTTP/2.
    else if (name === 'cookie') cookie = cookie === '' ? value : `${cookie}; ${value}`;
    else if (!name.startsWith(':')) headers.append(name, value);
  }
  if (cookie !== '') headers.append('cookie', cookie);
  if (!isSupportedMethod(headers.method)) return new Http1ProtocolError('unknown_method');
  if (headers.authority === '') headers.authority = host ?? '';
  else if (host !== undefined && host.toLowerCase() !== headers.authority.toLowerCase()) {
    return new Http1ProtocolError('bad_host');
  }
  if (!isAuthority(headers.authority)) return new Http1ProtocolError('bad_host');
  return findTargetProblem(headers);
}

function findTargetProblem(headers: RequestHeaders): Http1ProtocolError | undefined {
  try {
    const form = checkTarget(headers.method, headers.path);
    return form === TargetForm.Absolute ? new Http1ProtocolError('bad_target') : undefined;
  } catch (error) {
    if (error instanceof Http1ProtocolError) return error;
    throw error;
  }
}

/** Errors of a peer's making are followed by `close`, which is what we act on. */
function ignore(): void {}
