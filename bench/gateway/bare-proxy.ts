/**
 * Program: the yardstick. The least that a Node proxy on `node:http` and undici can do and still be one: read the body,
 * parse it, send it on to one of the workers in turn, relay the answer with backpressure, and stop the worker when the
 * client leaves. No limits, no metrics, no log. Written as tight as those two libraries allow.
 *
 * Arguments: port of the HTTP/1.1 listener, port of the HTTP/2 listener, worker origins.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type Dispatcher, Pool } from 'undici';

const [port, http2Port, ...workers] = process.argv.slice(2);
const pools = workers.map(
  (origin) =>
    new Pool(origin, { connections: null, pipelining: 1, keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 }),
);
let turn = 0;

const ABORTED = new Error('client left');

function nextPool(): Pool {
  turn = turn + 1 === pools.length ? 0 : turn + 1;
  return pools[turn] as Pool;
}

/** What the two kinds of listener have in common for a relay: somewhere to put the head and the bytes. */
interface Downstream {
  begin(status: number, headers: IncomingHttpHeaders): void;
  /** Sends the head alone, when no byte of the body has come with it. */
  flushHead(): void;
  /** False when the client is slow: `resume` of the relay is called when it has caught up. */
  write(bytes: Buffer): boolean;
  end(bytes: Buffer | undefined): void;
  fail(message: string): void;
}

/** One answer on its way down. Chunks that arrive in one turn of the event loop leave in one write. */
class Relay implements Dispatcher.DispatchHandler {
  readonly #downstream: Downstream;
  #controller: Dispatcher.DispatchController | undefined;
  #first: Buffer | undefined;
  #more: Buffer[] | undefined;
  #hasLength: boolean;
  #isFlushing: boolean;
  #isOver: boolean;

  constructor(downstream: Downstream) {
    this.#downstream = downstream;
    this.#controller = undefined;
    this.#first = undefined;
    this.#more = undefined;
    this.#hasLength = false;
    this.#isFlushing = false;
    this.#isOver = false;
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller?.abort(ABORTED);
  }

  resume(): void {
    if (!this.#isOver) this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(ABORTED);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.#isOver) return;
    this.#hasLength = headers['content-length'] !== undefined;
    this.#downstream.begin(status, headers);
    if (!this.#hasLength) this.#scheduleFlush();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#more === undefined) this.#more = [this.#first, chunk];
    else this.#more.push(chunk);
    // An answer that is over in this very turn goes down whole, with its head: the flush then finds nothing.
    this.#scheduleFlush();
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#downstream.end(this.#take());
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#downstream.fail(error.message);
  }

  #take(): Buffer | undefined {
    const bytes = this.#more === undefined ? this.#first : Buffer.concat(this.#more);
    this.#first = undefined;
    this.#more = undefined;
    this.#isFlushing = false;
    return bytes;
  }

  #scheduleFlush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    if (this.#isOver) return;
    const bytes = this.#take();
    if (bytes === undefined) this.#downstream.flushHead();
    else if (!this.#downstream.write(bytes)) this.#controller?.pause();
  }
}

class Http1Downstream implements Downstream {
  readonly #response: ServerResponse;
  relay: Relay | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.relay = undefined;
  }

  begin(status: number, headers: IncomingHttpHeaders): void {
    const fields: string[] = [];
    for (const name in headers) {
      if (name === 'connection' || name === 'keep-alive' || name === 'transfer-encoding') continue;
      const value = headers[name];
      if (typeof value === 'string') fields.push(name, value);
      else if (value !== undefined) for (const one of value) fields.push(name, one);
    }
    this.#response.writeHead(status, fields);
  }

  flushHead(): void {
    this.#response.flushHeaders();
  }

  write(bytes: Buffer): boolean {
    if (this.#response.write(bytes)) return true;
    this.#response.once('drain', () => this.relay?.resume());
    return false;
  }

  end(bytes: Buffer | undefined): void {
    if (bytes === undefined) this.#response.end();
    else this.#response.end(bytes);
  }

  fail(message: string): void {
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    this.#response.writeHead(502, { 'content-type': 'application/json' });
    this.#response.end(JSON.stringify({ error: { message } }));
  }
}

class Http2Downstream implements Downstream {
  readonly #stream: ServerHttp2Stream;
  relay: Relay | undefined;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
    this.relay = undefined;
  }

  begin(status: number, headers: IncomingHttpHeaders): void {
    const fields: Record<string, string | string[] | number | undefined> = { ':status': status };
    for (const name in headers) {
      if (name === 'connection' || name === 'keep-alive' || name === 'transfer-encoding') continue;
      fields[name] = headers[name];
    }
    if (!this.#stream.destroyed) this.#stream.respond(fields);
  }

  flushHead(): void {
    // `respond` has sent it.
  }

  write(bytes: Buffer): boolean {
    if (this.#stream.write(bytes)) return true;
    this.#stream.once('drain', () => this.relay?.resume());
    return false;
  }

  end(bytes: Buffer | undefined): void {
    if (bytes === undefined) this.#stream.end();
    else this.#stream.end(bytes);
  }

  fail(message: string): void {
    if (this.#stream.destroyed) return;
    if (this.#stream.headersSent) {
      this.#stream.close(2);
      return;
    }
    this.#stream.respond({ ':status': 502, 'content-type': 'application/json' });
    this.#stream.end(JSON.stringify({ error: { message } }));
  }
}

/** Collects a body and calls `onBody` when its announced length is there, or at the end when none was announced. */
class BodyReader {
  readonly #length: number;
  readonly #onBody: (body: Buffer) => void;
  #chunks: Buffer[];
  #received: number;
  #isDone: boolean;

  constructor(contentLength: string | undefined, onBody: (body: Buffer) => void) {
    this.#length = contentLength === undefined ? -1 : Number(contentLength);
    this.#onBody = onBody;
    this.#chunks = [];
    this.#received = 0;
    this.#isDone = false;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    if (this.#received === this.#length) this.end();
  }

  end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const { 0: first } = this.#chunks;
    this.#onBody(
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#received),
    );
  }
}

function isJsonWithModel(body: Buffer): boolean {
  try {
    return typeof (JSON.parse(body.toString('utf8')) as { model?: unknown }).model === 'string';
  } catch {
    return false;
  }
}

function onHttp1Request(request: IncomingMessage, response: ServerResponse): void {
  const reader = new BodyReader(request.headers['content-length'], (body) => forwardHttp1(request, response, body));
  request.on('data', (chunk: Buffer) => reader.push(chunk));
  request.on('end', () => reader.end());
}

function forwardHttp1(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  if (!isJsonWithModel(body)) {
    response.writeHead(400);
    response.end();
    return;
  }
  const raw = request.rawHeaders;
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const { length } = name;
    if (length === 4 && name.toLowerCase() === 'host') continue;
    if (length === 10 && (name.toLowerCase() === 'connection' || name.toLowerCase() === 'keep-alive')) continue;
    if (length === 17 && name.toLowerCase() === 'transfer-encoding') continue;
    headers.push(name, raw[i + 1] as string);
  }
  const downstream = new Http1Downstream(response);
  const relay = new Relay(downstream);
  downstream.relay = relay;
  response.on('close', () => relay.abort());
  nextPool().dispatch({ path: request.url as string, method: 'POST', headers, body }, relay);
}

function onHttp2Stream(stream: ServerHttp2Stream, fields: IncomingHttpHeaders & { ':path'?: string }): void {
  stream.on('error', () => stream.destroy());
  const reader = new BodyReader(fields['content-length'], (body) => {
    if (!isJsonWithModel(body)) {
      stream.respond({ ':status': 400 }, { endStream: true });
      return;
    }
    const headers: string[] = [];
    for (const name in fields) {
      const value = fields[name];
      if (name.charCodeAt(0) !== 58 && typeof value === 'string') headers.push(name, value);
    }
    const downstream = new Http2Downstream(stream);
    const relay = new Relay(downstream);
    downstream.relay = relay;
    stream.on('close', () => relay.abort());
    nextPool().dispatch({ path: fields[':path'] as string, method: 'POST', headers, body }, relay);
  });
  stream.on('data', (chunk: Buffer) => reader.push(chunk));
  stream.on('end', () => reader.end());
}

const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, onHttp1Request);
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 });
const http2Server = createHttp2Server();
http2Server.on('stream', onHttp2Stream);
http2Server.listen({ host: '127.0.0.1', port: Number(http2Port), backlog: 1024 });
