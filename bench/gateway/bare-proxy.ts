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
const POOL_OPTIONS = { connections: null, pipelining: 1, keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 };
const pools = workers.map((origin) => new Pool(origin, POOL_OPTIONS));
let turn = 0;

const CLIENT_LEFT = new Error('client left');
const HTTP2_INTERNAL_ERROR = 2;
/** Answers that announce no more than this are relayed whole, in one write with their head. */
const WHOLE_ANSWER_BYTES = 64 * 1024;

/** One request and its answer. Chunks that arrive in one turn of the event loop leave in one write. */
abstract class Exchange implements Dispatcher.DispatchHandler {
  controller: Dispatcher.DispatchController | undefined = undefined;
  firstChunk: Buffer | undefined = undefined;
  moreChunks: Buffer[] | undefined = undefined;
  isWhole = false;
  isFlushing = false;
  isOver = false;

  /** Takes the answer's head; it may wait for the first bytes. */
  abstract begin(status: number, headers: IncomingHttpHeaders): void;
  abstract flushHead(): void;
  /** False when the client is slow; `resume` is called when it has caught up. */
  abstract write(bytes: Buffer): boolean;
  abstract end(bytes: Buffer | undefined): void;
  abstract fail(message: string): void;

  /** Takes a piece of a body, the request's first and later the answer's. */
  collect(chunk: Buffer): void {
    if (this.firstChunk === undefined) this.firstChunk = chunk;
    else if (this.moreChunks === undefined) this.moreChunks = [this.firstChunk, chunk];
    else this.moreChunks.push(chunk);
  }

  take(): Buffer | undefined {
    const bytes = this.moreChunks === undefined ? this.firstChunk : Buffer.concat(this.moreChunks);
    this.firstChunk = undefined;
    this.moreChunks = undefined;
    return bytes;
  }

  /** Sends the collected request to the next worker; `path` and `headers` as they go upstream. */
  dispatch(path: string, headers: string[], body: Buffer): void {
    turn = turn + 1 === pools.length ? 0 : turn + 1;
    (pools[turn] as Pool).dispatch({ path, method: 'POST', headers, body }, this);
  }

  abort(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.controller?.abort(CLIENT_LEFT);
  }

  resume(): void {
    if (!this.isOver) this.controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isOver) controller.abort(CLIENT_LEFT);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200 || this.isOver) return;
    const length = headers['content-length'];
    this.isWhole = length !== undefined && Number(length) <= WHOLE_ANSWER_BYTES;
    this.begin(status, headers);
    if (!this.isWhole) this.scheduleFlush();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.collect(chunk);
    if (!this.isWhole && !this.isFlushing) this.scheduleFlush();
  }

  onResponseEnd(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.end(this.take());
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.fail(error.message);
  }

  scheduleFlush(): void {
    this.isFlushing = true;
    queueMicrotask(() => this.flush());
  }

  flush(): void {
    this.isFlushing = false;
    if (this.isOver) return;
    const bytes = this.take();
    if (bytes === undefined) this.flushHead();
    else if (!this.write(bytes)) this.controller?.pause();
  }
}

class Http1Exchange extends Exchange {
  readonly path: string;
  readonly headers: string[];
  readonly response: ServerResponse;
  /** Announced length of the request body; -1 when it was chunked. */
  bodyLength: number;
  received: number;
  isDispatched: boolean;

  constructor(request: IncomingMessage, response: ServerResponse) {
    super();
    this.path = request.url as string;
    this.response = response;
    this.headers = [];
    this.bodyLength = -1;
    this.received = 0;
    this.isDispatched = false;
    this.readHeaders(request.rawHeaders);
  }

  readHeaders(raw: readonly string[]): void {
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      const value = raw[i + 1] as string;
      // The length decides first, so that hardly any name is lower-cased.
      switch (name.length) {
        case 4:
          if (name.toLowerCase() === 'host') continue;
          break;
        case 10:
          if (name.toLowerCase() === 'connection' || name.toLowerCase() === 'keep-alive') continue;
          break;
        case 14:
          if (name.toLowerCase() === 'content-length') this.bodyLength = Number(value);
          break;
        case 17:
          if (name.toLowerCase() === 'transfer-encoding') continue;
          break;
      }
      this.headers.push(name, value);
    }
  }

  onBodyData(chunk: Buffer): void {
    this.collect(chunk);
    this.received += chunk.length;
    if (this.received === this.bodyLength) this.onBodyEnd();
  }

  onBodyEnd(): void {
    if (this.isDispatched) return;
    this.isDispatched = true;
    const body = this.take();
    if (body !== undefined && isJsonWithModel(body)) {
      this.dispatch(this.path, this.headers, body);
      return;
    }
    this.isOver = true;
    this.response.writeHead(400);
    this.response.end();
  }

  begin(status: number, headers: IncomingHttpHeaders): void {
    const fields: string[] = [];
    for (const name in headers) {
      if (name === 'connection' || name === 'keep-alive' || name === 'transfer-encoding') continue;
      const value = headers[name];
      if (typeof value === 'string') fields.push(name, value);
      else if (value !== undefined) for (const one of value) fields.push(name, one);
    }
    this.response.writeHead(status, fields);
  }

  flushHead(): void {
    this.response.flushHeaders();
  }

  write(bytes: Buffer): boolean {
    if (this.response.write(bytes)) return true;
    this.response.once('drain', () => this.resume());
    return false;
  }

  end(bytes: Buffer | undefined): void {
    if (bytes === undefined) this.response.end();
    else this.response.end(bytes);
  }

  fail(message: string): void {
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    this.response.writeHead(502, { 'content-type': 'application/json' });
    this.response.end(JSON.stringify({ error: { message } }));
  }
}

class Http2Exchange extends Exchange {
  readonly stream: ServerHttp2Stream;
  readonly fields: IncomingHttpHeaders & { ':path'?: string };

  constructor(stream: ServerHttp2Stream, fields: IncomingHttpHeaders) {
    super();
    this.stream = stream;
    this.fields = fields;
  }

  onBodyEnd(): void {
    const body = this.take();
    if (body === undefined || !isJsonWithModel(body)) {
      this.isOver = true;
      this.stream.respond({ ':status': 400 }, { endStream: true });
      return;
    }
    const headers: string[] = [];
    for (const name in this.fields) {
      const value = this.fields[name];
      if (name.charCodeAt(0) !== 58 && typeof value === 'string') headers.push(name, value);
    }
    this.dispatch(this.fields[':path'] as string, headers, body);
  }

  begin(status: number, headers: IncomingHttpHeaders): void {
    const fields: Record<string, string | string[] | number | undefined> = { ':status': status };
    for (const name in headers) {
      if (name === 'connection' || name === 'keep-alive' || name === 'transfer-encoding') continue;
      fields[name] = headers[name];
    }
    if (!this.stream.destroyed) this.stream.respond(fields);
  }

  flushHead(): void {
    // `respond` has sent it.
  }

  write(bytes: Buffer): boolean {
    if (this.stream.write(bytes)) return true;
    this.stream.once('drain', () => this.resume());
    return false;
  }

  end(bytes: Buffer | undefined): void {
    if (bytes === undefined) this.stream.end();
    else this.stream.end(bytes);
  }

  fail(message: string): void {
    if (this.stream.destroyed) return;
    if (this.stream.headersSent) {
      this.stream.close(HTTP2_INTERNAL_ERROR);
      return;
    }
    this.stream.respond({ ':status': 502, 'content-type': 'application/json' });
    this.stream.end(JSON.stringify({ error: { message } }));
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
  const exchange = new Http1Exchange(request, response);
  request.on('data', (chunk: Buffer) => exchange.onBodyData(chunk));
  if (exchange.bodyLength <= 0) request.on('end', () => exchange.onBodyEnd());
  response.on('close', () => exchange.abort());
}

function onHttp2Stream(stream: ServerHttp2Stream, fields: IncomingHttpHeaders): void {
  const exchange = new Http2Exchange(stream, fields);
  stream.on('data', (chunk: Buffer) => exchange.collect(chunk));
  stream.on('end', () => exchange.onBodyEnd());
  stream.on('error', () => stream.destroy());
  stream.on('close', () => exchange.abort());
}

const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 0 }, onHttp1Request);
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 1024 });
const http2Server = createHttp2Server();
http2Server.on('stream', onHttp2Stream);
http2Server.listen({ host: '127.0.0.1', port: Number(http2Port), backlog: 1024 });
