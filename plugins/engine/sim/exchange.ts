import { type RequestHeaders, ResponseHeaders } from '../../../core/api/headers.js';
import type { ServerStream, ServerStreamHandler } from '../../../core/api/http-server.js';
import type { JsonObject } from '../../../core/api/inference.js';
import type { Fault, FaultKind } from './fault.js';
import { RequestRejected } from './rejection.js';

/** Largest request body, bytes; more is a 413. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
/** Text collected before it is written, UTF-16 units. */
const FLUSH_UNITS = 32 * 1024;

const RESET_DELAY_MS = 20;

const BREAKS_STREAM: ReadonlySet<FaultKind> = new Set([
  'stall',
  'cut',
  'eof',
  'cut_clean',
  'garbage_chunk',
  'bad_json',
]);
const BROKEN_JSON = '{"id":"broken","choices":[{"index":0,,';
const NOT_CHUNKED = Buffer.from('zz this is no chunk size\r\n\r\n');

/** What an exchange tells its engine. */
export interface ExchangeOwner {
  /** The request has arrived whole. Called once; everything after is the exchange's answer. */
  onRequest(exchange: SimExchange): void;
  /** The answer is out (`completed`), broken on purpose (`faulted`), or nobody is there to take it (`aborted`). Once. */
  onExchangeEnd(exchange: SimExchange, outcome: ExchangeOutcome): void;
  runLater(delayMs: number, callback: () => void): void;
}

export type ExchangeOutcome = 'completed' | 'faulted' | 'aborted';

/** One request and its answer, on one stream of the listener. Applies the faults that strike while an answer goes out. */
export class SimExchange implements ServerStreamHandler {
  readonly headers: RequestHeaders;
  /** Without query. */
  readonly path: string;
  readonly query: string;
  /** Fault that this request meets; set by the engine before the answer. */
  fault: Fault | undefined = undefined;
  /** Runs once when the client is gone or a fault ended the answer early. Set by whoever works on the answer. */
  onAbandon: (() => void) | undefined = undefined;
  /** Runs when the client takes bytes again after {@link SimExchange.congested}. */
  onDrain: (() => void) | undefined = undefined;
  readonly #owner: ExchangeOwner;
  readonly #stream: ServerStream;
  readonly #chunks: Buffer[] = [];
  #bodyBytes = 0;
  #body: Buffer | undefined = undefined;
  #headSent = false;
  #ended = false;
  /** A stall: nothing is written any more, and the stream stays open. */
  #muted = false;
  #faultStruck = false;
  #events = 0;
  #pending = '';

  constructor(owner: ExchangeOwner, stream: ServerStream, headers: RequestHeaders) {
    this.#owner = owner;
    this.#stream = stream;
    this.headers = headers;
    const question = headers.path.indexOf('?');
    this.path = question < 0 ? headers.path : headers.path.slice(0, question);
    this.query = question < 0 ? '' : headers.path.slice(question + 1);
  }

  /** The whole request body; empty when there was none. */
  get body(): Buffer {
    this.#body ??= this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    return this.#body;
  }

  /** True once nothing can be answered any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True while the client reads slower than the answer is made. */
  get congested(): boolean {
    return this.#stream.aboveHighWatermark;
  }

  /** The body as a JSON object. Throws RequestRejected when it is none. */
  json(): JsonObject {
    let value: unknown;
    try {
      value = JSON.parse(this.body.toString('utf8'));
    } catch (error) {
      throw new RequestRejected(400, `1 validation error:\n  JSON decode error: ${(error as Error).message}`, 'body');
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
    throw new RequestRejected(400, '1 validation error:\n  Input should be a valid dictionary', 'body');
  }

  onData(bytes: Buffer, endStream: boolean): void {
    if (this.#ended) return;
    this.#bodyBytes += bytes.length;
    if (bytes.length > 0 && this.#bodyBytes <= MAX_BODY_BYTES) this.#chunks.push(Buffer.from(bytes));
    if (endStream) this.#requestComplete();
  }

  onTrailers(): void {
    this.#requestComplete();
  }

  onReset(): void {
    this.#end('aborted');
  }

  onAboveWriteBufferHighWatermark(): void {}

  onBelowWriteBufferLowWatermark(): void {
    if (!this.#ended && !this.#muted) this.onDrain?.();
  }

  /** Answers with one JSON document. `headerFields`: name and value alternate. */
  sendJson(status: number, value: unknown, headerFields: readonly string[] = []): void {
    this.sendBytes(status, 'application/json', Buffer.from(JSON.stringify(value)), headerFields);
  }

  /** Answers with one body of known length. */
  sendBytes(status: number, contentType: string, bytes: Buffer, headerFields: readonly string[] = []): void {
    if (this.#ended || this.#muted) return;
    if (this.fault !== undefined && BREAKS_STREAM.has(this.fault.kind)) {
      this.#sendBroken(this.fault, status, contentType, bytes);
      return;
    }
    this.#sendHead(status, contentType, bytes.length, headerFields, bytes.length === 0);
    if (bytes.length > 0) this.#stream.encodeData(bytes, true);
    this.#end('completed');
  }

  /** Begins an answer of server-sent events. */
  startEvents(): void {
    if (this.#ended) return;
    if (this.fault?.kind === 'stall' && this.fault.value === 0) {
      this.#muted = true;
      return;
    }
    this.#sendHead(200, 'text/event-stream; charset=utf-8', undefined, ['cache-control', 'no-cache'], false);
  }

  /** Sends a whole answer of events that was made before. */
  sendPreparedEvents(bytes: Buffer): void {
    if (this.#ended) return;
    this.#sendHead(200, 'text/event-stream; charset=utf-8', undefined, [], false);
    this.#stream.encodeData(bytes, true);
    this.#end('completed');
  }

  /** Adds one event, complete with its blank line. Written with {@link SimExchange.flush} at the latest. */
  writeEvent(text: string): void {
    if (this.#ended || this.#muted) return;
    const fault = this.fault;
    if (fault !== undefined && this.#events === fault.value && BREAKS_STREAM.has(fault.kind) && !this.#faultStruck) {
      this.#strikeStream(fault);
      if (this.#ended || this.#muted) return;
    }
    this.#events += 1;
    this.#pending += text;
    if (this.#pending.length > FLUSH_UNITS) this.flush();
  }

  /** Writes the events collected so far. */
  flush(): void {
    if (this.#ended || this.#pending.length === 0) return;
    const bytes = Buffer.from(this.#pending);
    this.#pending = '';
    this.#stream.encodeData(bytes, false);
  }

  /** Ends an answer of events. A fault that waited for more events than there were strikes now. */
  endEvents(): void {
    if (this.#ended || this.#muted) return;
    const fault = this.fault;
    if (fault !== undefined && BREAKS_STREAM.has(fault.kind) && !this.#faultStruck) {
      this.#strikeStream(fault);
      if (this.#ended || this.#muted) return;
    }
    const bytes = Buffer.from(this.#pending);
    this.#pending = '';
    this.#stream.encodeData(bytes, true);
    this.#end('completed');
  }

  /** Never answers: the request stays open until the client leaves. */
  stall(): void {
    this.#muted = true;
  }

  /** Ends the connection as the network would: `bytes` outside HTTP first, then FIN (`end`) or RST (`reset`). */
  breakConnection(bytes: Buffer | undefined, how: 'end' | 'reset'): void {
    if (this.#ended) return;
    this.flush();
    const stream = this.#stream;
    if (stream.breakConnection === undefined) {
      // HTTP/2, where there is nothing below the frames; in HTTP/1 at least the chunk framing can be broken.
      if (bytes !== undefined) stream.encodeData(bytes, false, bytes);
      stream.reset();
    } else if (how === 'reset' && this.#headSent) {
      // A client on libuv takes a RST that comes together with bytes for the end of the stream: let it read them first.
      this.#owner.runLater(RESET_DELAY_MS, () => stream.breakConnection?.(bytes, how));
    } else stream.breakConnection(bytes, how);
    this.#end('faulted');
  }

  #requestComplete(): void {
    if (this.#ended) return;
    if (this.#bodyBytes > MAX_BODY_BYTES) {
      this.sendJson(413, { detail: 'Request body too large' });
      return;
    }
    this.#owner.onRequest(this);
  }

  #sendHead(
    status: number,
    contentType: string,
    length: number | undefined,
    fields: readonly string[],
    endStream: boolean,
  ): void {
    const flat = ['content-type', contentType];
    if (length !== undefined) flat.push('content-length', String(length));
    for (const field of fields) flat.push(field);
    this.#headSent = true;
    this.#stream.encodeHeaders(new ResponseHeaders(status, flat), endStream);
  }

  #strikeStream(fault: Fault): void {
    this.#faultStruck = true;
    this.flush();
    if (fault.kind === 'bad_json') {
      this.#pending += `data: ${BROKEN_JSON}\n\n`;
      return;
    }
    if (fault.kind === 'stall') {
      this.#muted = true;
      return;
    }
    if (fault.kind === 'cut_clean') {
      this.#stream.encodeData(Buffer.alloc(0), true);
      this.#end('faulted');
      return;
    }
    this.#breakBody(fault.kind);
  }

  /** An answer in one piece meets the same faults: halfway through its body. */
  #sendBroken(fault: Fault, status: number, contentType: string, bytes: Buffer): void {
    if (fault.kind === 'stall' && fault.value === 0) {
      this.#muted = true;
      return;
    }
    if (fault.kind === 'bad_json' || fault.kind === 'cut_clean') {
      const body = fault.kind === 'bad_json' ? Buffer.from(BROKEN_JSON) : bytes.subarray(0, bytes.length >> 1);
      this.#sendHead(status, contentType, body.length, [], false);
      this.#stream.encodeData(body, true);
      this.#end('faulted');
      return;
    }
    this.#sendHead(status, contentType, fault.kind === 'garbage_chunk' ? undefined : bytes.length, [], false);
    this.#stream.encodeData(bytes.subarray(0, bytes.length >> 1), false);
    if (fault.kind === 'stall') this.#muted = true;
    else this.#breakBody(fault.kind);
  }

  #breakBody(kind: FaultKind): void {
    this.breakConnection(kind === 'garbage_chunk' ? NOT_CHUNKED : undefined, kind === 'cut' ? 'reset' : 'end');
  }

  #end(outcome: ExchangeOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pending = '';
    if (outcome !== 'completed') this.onAbandon?.();
    this.onAbandon = undefined;
    this.onDrain = undefined;
    this.#owner.onExchangeEnd(this, outcome);
  }
}
