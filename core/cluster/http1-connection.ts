import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../api/clock.js';
import type { GatewayError } from '../api/errors.js';
import { type HeaderMap, ResponseHeaders } from '../api/headers.js';
import { BodyDecoder, type BodySink } from '../http1/body-decoder.js';
import { BodyFraming, HeadParser, responseBodyFraming } from '../http1/head-parser.js';
import { encodeHead } from '../http1/head-writer.js';
import { Http1ProtocolError } from '../http1/protocol-error.js';
import type { ExchangeCarrier, Http1Exchange } from './http1-exchange.js';
import {
  connectFailedError,
  connectTimeoutError,
  firstByteTimeoutError,
  idleTimeoutError,
  protocolError,
  resetError,
} from './upstream-errors.js';

/** Up to here a body is copied behind its head and both go out in one write. */
const ONE_WRITE_BYTES = 64 * 1024;
const TCP_KEEP_ALIVE_MS = 30_000;
/** The idle limit is looked at this often in its span, so that a chunk costs a store instead of a timer. */
const IDLE_CHECKS = 4;

/** Told about the fate of a connection. */
export interface ConnectionOwner {
  /** It has served its exchange and can serve another. `keepAliveHintMs`: how long the worker keeps it; 0 unknown. */
  onConnectionReusable(connection: Http1Connection, keepAliveHintMs: number): void;
  /** It is of no further use. `stale`: the exchange that it was given must be sent again over a new one. */
  onConnectionClosed(connection: Http1Connection, stale: Http1Exchange | undefined): void;
}

/** Where to connect, and what connections share. */
export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  /** Every socket reads into it (but on Windows): a read is taken out of it before the event loop turns to the next. */
  readonly readBuffer: Buffer;
}

/** Windows fills a buffer while others are read, so there each socket needs its own. */
const SHARES_READ_BUFFER = process.platform !== 'win32';

/** What the connection's timer waits for. */
const Phase = { Idle: 0, Connect: 1, FirstByte: 2, Body: 3, Closed: 4 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** One socket to a worker: one exchange at a time, many in turn. Holds no state of the pool. */
export class Http1Connection implements ExchangeCarrier, BodySink {
  /** Monotonic ms until which it may stay unused; the pool's business. */
  idleUntilMs = 0;
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #head = new HeadParser('response');
  readonly #body = new BodyDecoder();
  readonly #onTimer = (): void => this.#timedOut();
  #exchange: Http1Exchange | undefined = undefined;
  #phase: Phase = Phase.Connect;
  #timer: Timer | undefined = undefined;
  /** Exchanges that it has served to the end. */
  #served = 0;
  /** A byte of the present response was seen. */
  #responseBegun = false;
  /** The decoder has seen the end of the present response. */
  #responseEnded = false;
  #keepAlive = false;
  #keepAliveHintMs = 0;
  #quietChecks = 0;
  #readingPaused = false;

  constructor(target: ConnectionTarget, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#clock = target.clock;
    const buffer = SHARES_READ_BUFFER ? target.readBuffer : Buffer.allocUnsafeSlow(target.readBuffer.length);
    this.#socket = connect({
      host: target.host,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
      onread: { buffer, callback: (bytesRead, filled) => this.#onRead(bytesRead, filled as Buffer) },
    });
    this.#socket.on('connect', () => this.#onConnect());
    this.#socket.on('end', () => this.#onEnd());
    this.#socket.on('error', (cause) => this.#onBroken(cause));
    this.#socket.on('close', () => this.#onBroken(undefined));
  }

  /** Gives it an exchange: right after construction, or when it is idle. */
  start(exchange: Http1Exchange): void {
    this.#exchange = exchange;
    exchange.carrier = this;
    this.#responseBegun = false;
    this.#responseEnded = false;
    this.#write(exchange);
    if (this.#phase === Phase.Connect) this.#setTimer(exchange.request.timeouts.connectMs);
    else this.#awaitHead(exchange);
    if (exchange.paused) this.pauseReading();
  }

  /** Closes an idle connection; the owner is not told. */
  close(): void {
    this.#shut();
  }

  pauseReading(): void {
    this.#readingPaused = true;
    this.#socket.pause();
  }

  resumeReading(): void {
    this.#readingPaused = false;
    this.#socket.resume();
  }

  abandon(exchange: Http1Exchange): void {
    if (this.#exchange === exchange) this.#discard();
  }

  /** From the decoder. */
  onBodyBytes(bytes: Buffer, framed: Buffer | undefined, last: boolean): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.done) return;
    if (last) {
      this.#responseEnded = true;
      exchange.finish();
    }
    exchange.handler.onData(bytes, last, framed);
  }

  /** From the decoder. */
  onBodyTrailers(trailers: HeaderMap): void {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.done) return;
    this.#responseEnded = true;
    exchange.finish();
    exchange.handler.onTrailers(trailers);
  }

  #write(exchange: Http1Exchange): void {
    const socket = this.#socket;
    const body = exchange.request.body;
    if (body === undefined || body.length <= ONE_WRITE_BYTES) {
      socket.write(encodeHead(exchange.headText, body));
      return;
    }
    socket.cork();
    socket.write(exchange.headText, 'latin1');
    // The time to the first byte counts from the last byte of the request.
    socket.write(body, () => {
      if (this.#exchange === exchange && this.#phase === Phase.FirstByte) this.#awaitHead(exchange);
    });
    socket.uncork();
  }

  #onConnect(): void {
    const exchange = this.#exchange;
    if (this.#phase !== Phase.Connect || exchange === undefined) return;
    this.#awaitHead(exchange);
  }

  #awaitHead(exchange: Http1Exchange): void {
    this.#phase = Phase.FirstByte;
    this.#setTimer(exchange.request.timeouts.firstByteMs);
  }

  #onRead(bytesRead: number, buffer: Buffer): boolean {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      // Bytes that nobody asked for: no later response on this connection could be trusted.
      if (this.#phase !== Phase.Closed) this.#discard();
      return false;
    }
    this.#responseBegun = true;
    this.#quietChecks = 0;
    try {
      this.#takeResponse(exchange, buffer.subarray(0, bytesRead));
    } catch (error) {
      if (!(error instanceof Http1ProtocolError)) throw error;
      this.#failExchange(protocolError(`http1_${error.code}`, error));
    }
    return true;
  }

  /** `shared` is only valid during the call: what handlers may keep is copied. */
  #takeResponse(exchange: Http1Exchange, shared: Buffer): void {
    let at = 0;
    if (this.#phase === Phase.FirstByte || this.#phase === Phase.Connect) {
      at = this.#takeHead(exchange, shared);
      if (this.#exchange !== exchange || !this.#head.complete) return;
    }
    let leftover = shared.length - at;
    if (!this.#responseEnded && leftover > 0) {
      const bytes = Buffer.allocUnsafe(leftover);
      shared.copy(bytes, 0, at);
      leftover -= this.#body.decode(bytes, 0, this);
      if (this.#exchange !== exchange) return;
    }
    if (this.#responseEnded) this.#finishResponse(leftover);
    else if (this.#timer === undefined) this.#startIdleTimer(exchange);
  }

  /** Reads heads until the final one; returns where the body begins. */
  #takeHead(exchange: Http1Exchange, input: Buffer): number {
    const head = this.#head;
    let at = 0;
    while (at < input.length) {
      at += head.parse(input, at);
      if (!head.complete) return at;
      if (head.status >= 200) break;
      if (head.status === 101) throw new Http1ProtocolError('bad_start_line');
      head.reset();
    }
    if (head.complete) this.#onHead(exchange);
    return at;
  }

  #onHead(exchange: Http1Exchange): void {
    const head = this.#head;
    this.#phase = Phase.Body;
    this.#clearTimer();
    const framing = responseBodyFraming(head, exchange.request.headers.method);
    this.#keepAlive = head.keepAlive && framing !== BodyFraming.UntilEnd;
    const headers = new ResponseHeaders(head.status, head.flat);
    this.#keepAliveHintMs = keepAliveHintMs(headers);
    const empty = framing === BodyFraming.None;
    if (empty) {
      this.#responseEnded = true;
      exchange.finish();
    } else {
      this.#body.start(framing, head.contentLength);
    }
    exchange.handler.onHeaders(headers, empty);
  }

  #finishResponse(leftover: number): void {
    this.#clearTimer();
    this.#exchange = undefined;
    this.#served += 1;
    // A request that is not written out yet was answered early: the worker will not read the rest.
    const reusable = this.#keepAlive && leftover === 0 && this.#socket.writableLength === 0;
    if (!reusable) {
      this.#discard();
      return;
    }
    this.#phase = Phase.Idle;
    this.#head.reset();
    if (this.#readingPaused) this.resumeReading();
    this.#owner.onConnectionReusable(this, this.#keepAliveHintMs);
  }

  #onEnd(): void {
    if (this.#phase === Phase.Body && this.#exchange !== undefined) {
      try {
        this.#body.end(this);
        this.#keepAlive = false;
        if (this.#responseEnded && this.#exchange !== undefined) this.#finishResponse(0);
        return;
      } catch (error) {
        if (!(error instanceof Http1ProtocolError)) throw error;
      }
    }
    this.#onBroken(undefined);
  }

  #onBroken(cause: unknown): void {
    if (this.#phase === Phase.Closed) return;
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#discard();
      return;
    }
    if (this.#phase === Phase.Connect) {
      this.#failExchange(connectFailedError(cause));
    } else if (this.#served > 0 && !this.#responseBegun) {
      // Once only: it goes to a new connection, which has served nothing.
      this.#shut();
      this.#owner.onConnectionClosed(this, exchange);
    } else {
      this.#failExchange(resetError(this.#phase === Phase.Body ? 'mid_body' : 'before_head', cause));
    }
  }

  #failExchange(error: GatewayError): void {
    const exchange = this.#exchange;
    this.#discard();
    exchange?.fail(error);
  }

  /** Closes it and says so. What it carries gets no further callback from here. */
  #discard(): void {
    this.#shut();
    this.#owner.onConnectionClosed(this, undefined);
  }

  #shut(): void {
    this.#phase = Phase.Closed;
    this.#exchange = undefined;
    this.#clearTimer();
    this.#body.stop();
    this.#socket.destroy();
  }

  #setTimer(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = delayMs > 0 ? this.#clock.setCoarseTimer(delayMs, this.#onTimer) : undefined;
  }

  #clearTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #startIdleTimer(exchange: Http1Exchange): void {
    this.#quietChecks = 0;
    this.#setTimer(exchange.request.timeouts.idleMs / IDLE_CHECKS);
  }

  #timedOut(): void {
    this.#timer = undefined;
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (this.#phase === Phase.Connect) this.#failExchange(connectTimeoutError());
    else if (this.#phase !== Phase.FirstByte) this.#checkQuiet(exchange);
    else if (exchange.paused) this.#awaitHead(exchange);
    else this.#failExchange(firstByteTimeoutError());
  }

  #checkQuiet(exchange: Http1Exchange): void {
    // While we do not read, the silence is ours.
    this.#quietChecks = exchange.paused ? 0 : this.#quietChecks + 1;
    if (this.#quietChecks >= IDLE_CHECKS) this.#failExchange(idleTimeoutError());
    else this.#setTimer(exchange.request.timeouts.idleMs / IDLE_CHECKS);
  }
}

/** `Keep-Alive: timeout=5` as ms; 0 when there is none. */
function keepAliveHintMs(headers: ResponseHeaders): number {
  const value = headers.get('keep-alive');
  if (value === undefined) return 0;
  const match = /timeout\s*=\s*(\d{1,6})/i.exec(value);
  return match === null ? 0 : Number(match[1]) * 1_000;
}
