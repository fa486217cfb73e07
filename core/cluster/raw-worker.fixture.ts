import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { GatewayError } from '../api/errors.js';
import { type HeaderMap, RequestHeaders, type ResponseHeaders } from '../api/headers.js';
import type { UpstreamExchange, UpstreamHandler, UpstreamRequest, UpstreamTls } from '../api/upstream.js';
import type { UpstreamTimeouts } from '../api/worker.js';

// Test support of this folder; imported by tests only.

/** One connection as the worker sees it. */
export class RawConnection {
  readonly socket: Socket;
  /** From 0, in order of acceptance. */
  readonly index: number;
  /** Complete requests, head and body. */
  readonly requests: string[] = [];
  /** Resolves when the connection is gone. */
  readonly closed: Promise<unknown>;
  #unread = '';

  constructor(socket: Socket, index: number, onRequest: (connection: RawConnection, request: string) => unknown) {
    this.socket = socket;
    this.index = index;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {
      // A client that resets is what some tests are about; `closed` tells them.
    });
    socket.on('data', (bytes: Buffer) => {
      this.#unread += bytes.toString('latin1');
      for (let request = this.#takeRequest(); request !== undefined; request = this.#takeRequest()) {
        this.requests.push(request);
        onRequest(this, request);
      }
    });
  }

  write(text: string | Buffer): void {
    if (typeof text === 'string') this.socket.write(text, 'latin1');
    else this.socket.write(text);
  }

  #takeRequest(): string | undefined {
    const headEnd = this.#unread.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const length = Number(/content-length: (\d+)/i.exec(this.#unread.slice(0, headEnd))?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (this.#unread.length < end) return undefined;
    const request = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end);
    return request;
  }
}

/** A worker that writes whatever bytes a test wants. */
export class RawWorker {
  readonly connections: RawConnection[] = [];
  readonly #server: Server;

  constructor(onRequest: (connection: RawConnection, request: string) => unknown) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.connections.push(new RawConnection(socket, this.connections.length, onRequest));
    });
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get requests(): string[] {
    return this.connections.flatMap((connection) => connection.requests);
  }

  /** Resolves once every connection is gone by itself; a client that leaks one fails the test. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    let leaked = false;
    const guard = setTimeout(() => {
      leaked = true;
      for (const { socket } of this.connections) socket.destroy();
    }, 2_000);
    await closed;
    clearTimeout(guard);
    assert.equal(leaked, false, 'the client left a connection open');
  }
}

/** What a handler was told, in order, as text. */
export class RecordingHandler implements UpstreamHandler {
  readonly events: string[] = [];
  readonly framed: (string | undefined)[] = [];
  readonly ended: Promise<this>;
  status = 0;
  headers: ResponseHeaders | undefined = undefined;
  trailers: HeaderMap | undefined = undefined;
  error: GatewayError | undefined = undefined;
  body = '';
  bytes = 0;
  /** Runs inside every callback, after it was noted. */
  onEvent: (event: string) => void = () => {};
  #resolve: (value: this) => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get complete(): boolean {
    return this.events.at(-1)?.endsWith('end') ?? false;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.status = headers.status;
    this.headers = headers;
    this.#note(`headers ${headers.status}${endStream ? ' end' : ''}`, endStream);
  }

  onData(bytes: Buffer, endStream: boolean, framed: Buffer | undefined): void {
    this.body += bytes.toString('latin1');
    this.bytes += bytes.length;
    if (bytes.length > 0) this.framed.push(framed?.toString('latin1'));
    this.#note(`data${endStream ? ' end' : ''}`, endStream);
  }

  onTrailers(trailers: HeaderMap): void {
    this.trailers = trailers;
    this.#note('trailers end', true);
  }

  onError(error: GatewayError): void {
    this.error = error;
    this.#note(`error ${error.code} ${error.details}`, true);
  }

  /** Resolves with the first event of that beginning, or at once if it has happened. */
  async until(beginning: string): Promise<void> {
    if (this.events.some((event) => event.startsWith(beginning))) return;
    await new Promise<void>((resolve) => {
      const previous = this.onEvent;
      this.onEvent = (event) => {
        previous(event);
        if (event.startsWith(beginning)) resolve();
      };
    });
  }

  #note(event: string, last: boolean): void {
    this.events.push(event);
    this.onEvent(event);
    if (last) this.#resolve(this);
  }
}

/** Limits so long that a fake clock decides alone. */
export const LONG_TIMEOUTS: UpstreamTimeouts = {
  connectMs: 10_000,
  firstByteMs: 20_000,
  idleMs: 40_000,
  requestMs: 100_000,
};

/** A request to a worker: POST with a body, or GET without. */
export function requestTo(url: string, options: Partial<RequestOptions> = {}): UpstreamRequest {
  const { method = 'POST', path = '/v1/chat/completions', fields = [], timeouts = LONG_TIMEOUTS, tls } = options;
  const body = method === 'POST' ? Buffer.from(options.body ?? '{"a":1}') : undefined;
  return { url, headers: new RequestHeaders(method, path, '', 'http', [...fields]), body, timeouts, tls };
}

export interface RequestOptions {
  readonly method: string;
  readonly path: string;
  readonly fields: readonly string[];
  readonly body: string | Buffer;
  readonly timeouts: UpstreamTimeouts;
  readonly tls: UpstreamTls | undefined;
}

/** Sends and remembers both ends. */
export function sendTo(
  client: { send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange },
  url: string,
  options: Partial<RequestOptions> = {},
): { handler: RecordingHandler; exchange: UpstreamExchange } {
  const handler = new RecordingHandler();
  const exchange = client.send(requestTo(url, options), handler);
  return { handler, exchange };
}
