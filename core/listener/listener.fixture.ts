import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../api/clock.js';
import type { HeaderMap, RequestHeaders } from '../api/headers.js';
import { ResponseHeaders } from '../api/headers.js';
import type { ServerStream, ServerStreamAcceptor, ServerStreamHandler, StreamResetReason } from '../api/http-server.js';
import { type Listener, type ListenerOptions, openListener } from './listener.js';

/** One request as the listener handed it over, with everything that its handler was told. */
export class Exchange implements ServerStreamHandler {
  readonly stream: ServerStream;
  readonly headers: RequestHeaders;
  body = '';
  bodyBytes = 0;
  complete: boolean;
  trailers: string[] | undefined = undefined;
  reset: StreamResetReason | undefined = undefined;
  /** `high` and `low` in the order in which they came. */
  readonly watermarks: string[] = [];
  onEvent: () => void = () => {};

  constructor(stream: ServerStream, headers: RequestHeaders, endStream: boolean) {
    this.stream = stream;
    this.headers = headers;
    this.complete = endStream;
  }

  onData(bytes: Buffer, endStream: boolean): void {
    if (this.complete) throw new Error('onData after the end');
    if (this.bodyBytes < 65536) this.body += bytes.latin1Slice();
    this.bodyBytes += bytes.length;
    this.complete = endStream;
    this.onEvent();
  }

  onTrailers(trailers: HeaderMap): void {
    if (this.complete) throw new Error('onTrailers after the end');
    this.trailers = trailers.flat;
    this.complete = true;
    this.onEvent();
  }

  onReset(reason: StreamResetReason): void {
    if (this.reset !== undefined) throw new Error('a second onReset');
    this.reset = reason;
    this.onEvent();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.watermarks.push('high');
    this.onEvent();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.watermarks.push('low');
    this.onEvent();
  }

  /** Whole answer with its length. */
  answer(status: number, body: string): void {
    const bytes = Buffer.from(body, 'latin1');
    this.stream.encodeHeaders(new ResponseHeaders(status, ['content-length', String(bytes.length)]), false);
    this.stream.encodeData(bytes, true);
  }

  /** Head of an answer without a length. */
  begin(status = 200): void {
    this.stream.encodeHeaders(new ResponseHeaders(status, []), false);
  }

  data(text: string, endStream = false): void {
    this.stream.encodeData(Buffer.from(text, 'latin1'), endStream);
  }

  /** Resolves once the condition holds. */
  async until(condition: (exchange: this) => boolean): Promise<this> {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!condition(this)) return;
        this.onEvent = () => {};
        resolve();
      };
      this.onEvent = check;
      check();
    });
    return this;
  }
}

/** Time that stands still until a test moves it. */
interface MovableClock extends Clock {
  readonly pendingTimers: number;
  advance(ms: number): void;
}

/** A listener on a fake clock whose requests are taken one by one. */
export class ListenerFixture {
  readonly clock: MovableClock;
  readonly exchanges: Exchange[] = [];
  /** Runs within the acceptor. */
  onRequest: (exchange: Exchange) => void = () => {};
  listener!: Listener;
  #taken = 0;
  #onExchange: () => void = () => {};

  constructor(clock: MovableClock) {
    this.clock = clock;
  }

  static async open(clock: MovableClock, options: Partial<ListenerOptions> = {}): Promise<ListenerFixture> {
    const fixture = new ListenerFixture(clock);
    fixture.listener = await openListener({ clock: fixture.clock, ...options }, fixture.accept);
    return fixture;
  }

  /** What the listener hands its requests to. */
  readonly accept: ServerStreamAcceptor = (stream, headers, endStream) => {
    const exchange = new Exchange(stream, headers, endStream);
    this.exchanges.push(exchange);
    this.onRequest(exchange);
    this.#onExchange();
    return exchange;
  };

  /** The next request that was not taken yet. */
  async request(): Promise<Exchange> {
    while (this.exchanges.length <= this.#taken) {
      await new Promise<void>((resolve) => {
        this.#onExchange = resolve;
      });
    }
    return this.exchanges[this.#taken++] as Exchange;
  }

  connect(): Promise<RawClient> {
    return RawClient.open(connect({ host: this.listener.host, port: this.listener.port }));
  }

  async close(): Promise<void> {
    await this.listener.close();
    if (this.clock.pendingTimers > 0) throw new Error('the listener left a timer behind');
  }
}

/** A client that says exactly what a test wants. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  ended = false;
  closed = false;
  error: NodeJS.ErrnoException | undefined = undefined;
  #onEvent: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.latin1Slice();
      this.#onEvent();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#onEvent();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
      this.#onEvent();
    });
  }

  static async open(socket: Socket): Promise<RawClient> {
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Resolves once the condition holds; fails when the connection closes before. */
  async until(condition: (client: this) => boolean): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#onEvent = () => {
        if (condition(this)) resolve();
        else if (this.closed) reject(new Error(`closed after ${JSON.stringify(this.received)}`));
      };
      this.#onEvent();
    });
    return this;
  }

  async untilReceived(text: string): Promise<this> {
    return this.until(() => this.received.includes(text));
  }

  async untilClosed(): Promise<this> {
    return this.until(() => this.closed);
  }
}

/** Lets everything that is on its way over loopback arrive. For "nothing more happens"; not for "it has happened". */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 10));
}
