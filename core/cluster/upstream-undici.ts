import { type Dispatcher, Pool } from 'undici';
import type { Clock, Timer } from '../api/clock.js';
import { BugError, GatewayError } from '../api/errors.js';
import { HeaderMap, type RequestHeaders, ResponseHeaders } from '../api/headers.js';
import type { UpstreamExchange, UpstreamHandler, UpstreamRequest } from '../api/upstream.js';
import type { OriginTransport, TransportCounts } from './origin-transport.js';
import {
  connectFailedError,
  connectTimeoutError,
  errorCode,
  firstByteTimeoutError,
  idleTimeoutError,
  poolClosedError,
  poolExhaustedError,
  protocolError,
  resetError,
} from './upstream-errors.js';
import type { UpstreamTlsOptions } from './upstream-tls.js';
import type { PoolSettings } from './worker-spec.js';

/** When undici gives up a connection that nobody waits for any more, ms; the limit of each request is our own. */
const MAX_CONNECT_MS = 30_000;
const EMPTY = Buffer.alloc(0);

/** Fields that undici writes itself, or that concern one connection. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'content-length',
  'te',
  'upgrade',
  'expect',
]);

/** What a transport works with. */
export interface UndiciEnvironment {
  readonly clock: Clock;
  readonly tls: UpstreamTlsOptions;
  /** Called when the last connection has gone and nothing waits for one; there may be others afterwards. */
  onUnused(): void;
}

/** HTTPS (HTTP/1.1 and, where allowed, HTTP/2) to one origin. Loaded only when a config names such a worker. */
export class UndiciTransport implements OriginTransport {
  readonly #origin: string;
  readonly #environment: UndiciEnvironment;
  #settings: PoolSettings;
  #pool: Pool;

  constructor(origin: URL, settings: PoolSettings, environment: UndiciEnvironment) {
    this.#origin = origin.origin;
    this.#environment = environment;
    this.#settings = settings;
    this.#pool = this.#createPool();
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    const exchange = new UndiciExchange(request, handler, this.#environment.clock);
    if (this.#pool.stats.queued >= this.#settings.maxWaiting) {
      exchange.refuse(poolExhaustedError('pool_queue_full'));
      return exchange;
    }
    const { headers, body, timeouts } = request;
    this.#pool.dispatch(
      {
        path: headers.path,
        method: headers.method,
        headers: writableFields(headers),
        // Its own copy: what undici still holds of an aborted request cannot be seen, and our memory gets another use.
        body: body === undefined ? null : Buffer.from(body),
        headersTimeout: timeouts.firstByteMs,
        bodyTimeout: timeouts.idleMs,
      },
      exchange,
    );
    exchange.dispatched = true;
    return exchange;
  }

  /** A pool of undici cannot be changed: a new one takes over, the old one ends with its requests. */
  configure(settings: PoolSettings): void {
    const { maxConnections, idleMs } = this.#settings;
    this.#settings = settings;
    if (settings.maxConnections === maxConnections && settings.idleMs === idleMs) return;
    const old = this.#pool;
    this.#pool = this.#createPool();
    closePool(old);
  }

  close(): void {
    closePool(this.#pool);
  }

  counts(): TransportCounts {
    const { connected, free, queued } = this.#pool.stats;
    return { open: connected, idle: free, waiting: queued };
  }

  #createPool(): Pool {
    const { allowH2 = false, ca, cert, key, serverName, rejectUnauthorized } = this.#environment.tls;
    const pool = new Pool(this.#origin, {
      connections: this.#settings.maxConnections,
      pipelining: 1,
      allowH2,
      keepAliveTimeout: Math.max(1, this.#settings.idleMs),
      keepAliveMaxTimeout: Math.max(1, this.#settings.idleMs),
      maxHeaderSize: 64 * 1024,
      connect: {
        timeout: MAX_CONNECT_MS,
        ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(serverName !== undefined && { servername: serverName }),
        ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      },
    });
    // What the pool tells of its last connection is so only once the event is over.
    const onGone = (): void => void setImmediate(() => this.#tellUnused(pool));
    pool.on('disconnect', onGone);
    pool.on('connectionError', onGone);
    return pool;
  }

  #tellUnused(pool: Pool): void {
    const { connected, size, queued } = pool.stats;
    if (pool === this.#pool && connected + size + queued === 0) this.#environment.onUnused();
  }
}

/** How far an exchange is. */
const Phase = { Queued: 0, FirstByte: 1, Body: 2, Done: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** One request through undici: the handle for above and the handler for below. */
class UndiciExchange implements UpstreamExchange, Dispatcher.DispatchHandler {
  /** Undici has taken it; until then errors are held back, since no callback runs before `send` returns. */
  dispatched = false;
  readonly #request: UpstreamRequest;
  readonly #handler: UpstreamHandler;
  #phase: Phase = Phase.Queued;
  #controller: Dispatcher.DispatchController | undefined = undefined;
  #timer: Timer | undefined;
  #pauses = 0;

  constructor(request: UpstreamRequest, handler: UpstreamHandler, clock: Clock) {
    this.#request = request;
    this.#handler = handler;
    const { connectMs } = request.timeouts;
    this.#timer = connectMs > 0 ? clock.setCoarseTimer(connectMs, () => this.#connectTimedOut()) : undefined;
  }

  pause(): void {
    if (this.#phase === Phase.Done) return;
    this.#pauses += 1;
    if (this.#pauses === 1) this.#controller?.pause();
  }

  resume(): void {
    if (this.#phase === Phase.Done) return;
    if (this.#pauses === 0) throw new BugError('An upstream exchange was resumed more often than paused');
    this.#pauses -= 1;
    if (this.#pauses === 0) this.#controller?.resume();
  }

  abort(): void {
    if (this.#finish()) this.#controller?.abort(new BugError('aborted'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#clearTimer();
    if (this.#phase === Phase.Done) {
      controller.abort(new BugError('aborted'));
      return;
    }
    this.#controller = controller;
    this.#phase = Phase.FirstByte;
    if (this.#pauses > 0) controller.pause();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200 || this.#phase === Phase.Done) return;
    this.#phase = Phase.Body;
    const headers = new ResponseHeaders(status, fieldsOf(controller.rawHeaders));
    const empty = isBodyless(status, this.#request.headers.method, headers);
    if (empty) this.#finish();
    this.#handler.onHeaders(headers, empty);
  }

  onResponseData(_controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#phase !== Phase.Done) this.#handler.onData(bytes, false, undefined);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (!this.#finish()) return;
    const trailers = fieldsOf(controller.rawTrailers);
    if (trailers.length > 0) this.#handler.onTrailers(new HeaderMap(trailers));
    else this.#handler.onData(EMPTY, true, undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const failure = toGatewayError(error, this.#phase);
    if (this.dispatched) this.#fail(failure);
    else this.refuse(failure);
  }

  /** Fails once `send` has returned. */
  refuse(error: GatewayError): void {
    queueMicrotask(() => this.#fail(error));
  }

  #connectTimedOut(): void {
    // It stays in undici's queue and is dropped when its turn comes.
    this.#fail(connectTimeoutError());
  }

  #fail(error: GatewayError): void {
    if (this.#finish()) this.#handler.onError(error);
  }

  #finish(): boolean {
    if (this.#phase === Phase.Done) return false;
    this.#phase = Phase.Done;
    this.#clearTimer();
    return true;
  }

  #clearTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

function toGatewayError(error: Error, phase: Phase): GatewayError {
  const code = errorCode(error);
  if (code === 'UND_ERR_INVALID_ARG') return GatewayError.from(error);
  if (code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED') return poolClosedError();
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return connectTimeoutError();
  if (phase === Phase.Queued) return connectFailedError(error);
  // Under TLS 1.3 a worker refuses a client certificate only after the handshake looks done from here.
  if (phase === Phase.FirstByte && code.startsWith('ERR_SSL')) return connectFailedError(error);
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return firstByteTimeoutError();
  if (code === 'UND_ERR_BODY_TIMEOUT') return idleTimeoutError();
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return protocolError('http1_head_too_large', error);
  if (error.name === 'HTTPParserError') return protocolError('http1_unparsable', error);
  const isClose = code === 'UND_ERR_SOCKET' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
  return resetError(phase === Phase.Body ? 'mid_body' : 'before_head', isClose ? undefined : error);
}

/** Whether the response has ended with its head. */
function isBodyless(status: number, method: string, headers: ResponseHeaders): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || headers.get('content-length') === '0';
}

/** Names and values in wire order, lower-case names, one character per byte. */
function fieldsOf(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return [];
  const flat: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = latin1(raw[i] as Buffer | string).toLowerCase();
    const value: unknown = raw[i + 1];
    // A repeated field of HTTP/2 comes as a list.
    if (Array.isArray(value)) for (const one of value) flat.push(name, latin1(one));
    else flat.push(name, latin1(value as Buffer | string));
  }
  return flat;
}

function latin1(bytes: Buffer | string): string {
  return typeof bytes === 'string' ? bytes : bytes.toString('latin1');
}

function writableFields(headers: RequestHeaders): string[] {
  const fields: string[] = headers.authority === '' ? [] : ['host', headers.authority];
  headers.forEach((name, value) => {
    if (!OWN_FIELDS.has(name)) fields.push(name, value);
  });
  return fields;
}

function closePool(pool: Pool): void {
  pool.close().catch(() => {
    // It was closed before: that is what was wanted.
  });
}
