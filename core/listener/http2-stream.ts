import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { BugError } from '../api/errors.js';
import type { HeaderMap, ResponseHeaders } from '../api/headers.js';
import type { ServerStream, ServerStreamHandler, StreamResetReason } from '../api/http-server.js';
import { isFieldText } from '../http1/characters.js';
import { FieldRole, lookUpFieldName } from '../http1/field-name.js';
import { encodeErrorBody } from './error-answer.js';
import { WRITE_HIGH_WATERMARK_BYTES } from './listener-limits.js';

/** RFC 9113 §7. */
export const H2_NO_ERROR = 0;

const EMPTY = Buffer.alloc(0);
/**
 * What a stream is destroyed with: node sends RST_STREAM with INTERNAL_ERROR for it. `close(code)` would end the stream
 * first, and a client that has seen END_STREAM takes a cut answer for a whole one.
 */
const RESET = Object.assign(new Error('Stream was reset'), { stack: '' });

/**
 * One request and its answer on an HTTP/2 connection, over a stream of node:http2. Same rules as for HTTP/1: once the
 * answer has ended, or the stream was reset by either side, nothing more happens and the handler hears nothing.
 */
export class Http2Stream implements ServerStream {
  readonly protocol = 'HTTP/2';
  readonly remoteAddress: string;
  aboveHighWatermark = false;
  /** Monotonic ms of the last sweep that saw it move. */
  sinceMs = 0;
  progressed = true;

  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  readonly #wantsTrailers: boolean;
  #handler: ServerStreamHandler | undefined = undefined;
  #over = false;
  #headSent = false;
  #bodyless = false;
  #requestComplete: boolean;
  #requestTrailers: HeaderMap | undefined = undefined;
  #answerTrailers: HeaderMap | undefined = undefined;
  #waitsForTrailers = false;
  #readDisables = 0;
  #unsentSeen = 0;

  constructor(
    stream: ServerHttp2Stream,
    remoteAddress: string,
    isHead: boolean,
    wantsTrailers: boolean,
    requestComplete: boolean,
  ) {
    this.#stream = stream;
    this.remoteAddress = remoteAddress;
    this.#isHead = isHead;
    this.#wantsTrailers = wantsTrailers;
    this.#requestComplete = requestComplete;
  }

  /** Gives the stream its handler; not needed when it was answered before there was one. */
  attach(handler: ServerStreamHandler): void {
    if (this.#over) return;
    this.#handler = handler;
    if (this.aboveHighWatermark) handler.onAboveWriteBufferHighWatermark();
  }

  /** Throws BugError, nothing sent, for fields that must not be written. */
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#over || this.#headSent) return;
    const fields = toNodeHeaders(headers.flat);
    fields[':status'] = headers.status;
    const status = headers.status;
    this.#bodyless = this.#isHead || status === 204 || status === 205 || status === 304;
    const ends = endStream || this.#bodyless;
    // node asks for trailers by an event and then waits for them: only where somebody may want one.
    this.#waitsForTrailers = !ends && (this.#wantsTrailers || headers.has('trailer'));
    this.#headSent = true;
    if (this.#stream.destroyed) return;
    this.#stream.respond(fields, { endStream: ends, waitForTrailers: this.#waitsForTrailers });
    if (endStream) this.#end();
  }

  encodeData(bytes: Buffer, endStream: boolean): void {
    if (this.#over || !this.#headSent) return;
    const stream = this.#stream;
    if (!this.#bodyless && !stream.destroyed) {
      if (endStream) stream.end(bytes);
      else if (bytes.length > 0) stream.write(bytes);
      this.#checkHighWatermark();
    }
    if (endStream) this.#end();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.#over || !this.#headSent) return;
    if (this.#waitsForTrailers) {
      toNodeHeaders(trailers.flat);
      this.#answerTrailers = trailers;
    }
    if (!this.#bodyless && !this.#stream.destroyed) this.#stream.end();
    this.#end();
  }

  reset(): void {
    if (this.#over) return;
    this.#release();
    this.#stream.destroy(RESET);
  }

  readDisable(disable: boolean): void {
    if (this.#over) return;
    this.#readDisables += disable ? 1 : -1;
    if (this.#requestComplete) return;
    if (this.#readDisables > 0) this.#stream.pause();
    else this.#stream.resume();
  }

  /** Events of node's stream. */
  onData(bytes: Buffer): void {
    this.progressed = true;
    if (!this.#over) this.#handler?.onData(bytes, false);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#requestTrailers = trailers;
  }

  onEnd(): void {
    if (this.#requestComplete) return;
    // A reset ends the readable side as well; `close` tells that one.
    if (this.#stream.aborted || this.#stream.rstCode !== H2_NO_ERROR) return;
    this.#requestComplete = true;
    if (this.#over) return;
    const trailers = this.#requestTrailers;
    if (trailers !== undefined && trailers.size > 0) this.#handler?.onTrailers(trailers);
    else this.#handler?.onData(EMPTY, true);
  }

  onWantTrailers(): void {
    this.#stream.sendTrailers(toNodeHeaders(this.#answerTrailers?.flat ?? []));
  }

  onDrain(): void {
    this.progressed = true;
    if (!this.aboveHighWatermark || this.#stream.writableLength >= WRITE_HIGH_WATERMARK_BYTES) return;
    this.aboveHighWatermark = false;
    if (!this.#over) this.#handler?.onBelowWriteBufferLowWatermark();
  }

  onClose(): void {
    this.fail('client_closed');
  }

  /** Ends the stream from the outside and tells its handler, if it still has one. */
  fail(reason: StreamResetReason): void {
    const handler = this.#handler;
    if (!this.#over) {
      this.#release();
      handler?.onReset(reason);
    }
    if (!this.#stream.destroyed) this.#stream.destroy(RESET);
  }

  /** Ends it when either side has stood still for too long; a client whose request did is told so while it still can be. */
  sweep(nowMs: number, bodyStallMs: number, writeStallMs: number): void {
    const unsent = this.#stream.writableLength;
    const reads = !this.#requestComplete && this.#readDisables === 0;
    if (unsent !== this.#unsentSeen || (unsent === 0 && !reads)) this.progressed = true;
    this.#unsentSeen = unsent;
    if (this.progressed) {
      this.progressed = false;
      this.sinceMs = nowMs;
      return;
    }
    const limitMs = unsent > 0 ? writeStallMs : bodyStallMs;
    if (limitMs === 0 || nowMs - this.sinceMs < limitMs) return;
    if (unsent > 0) this.fail('write_stalled');
    else if (this.#over || this.#headSent) this.fail('body_stalled');
    else this.#answerStall(nowMs);
  }

  #answerStall(nowMs: number): void {
    const handler = this.#handler;
    this.#release();
    this.#headSent = true;
    this.sinceMs = nowMs;
    handler?.onReset('body_stalled');
    answerHttp2Error(this.#stream, 408, 'request_body_stalled', 'The request body made no progress');
  }

  #checkHighWatermark(): void {
    if (this.aboveHighWatermark || this.#stream.writableLength < WRITE_HIGH_WATERMARK_BYTES) return;
    this.aboveHighWatermark = true;
    this.#handler?.onAboveWriteBufferHighWatermark();
  }

  #end(): void {
    this.#release();
    if (this.#requestComplete) return;
    // RFC 9113 §8.1: a client whose request is not wanted any more is asked to stop sending it.
    const stream = this.#stream;
    stream.resume();
    if (stream.writableFinished) stream.close(H2_NO_ERROR);
    else stream.once('finish', () => stream.close(H2_NO_ERROR));
  }

  #release(): void {
    this.#over = true;
    this.#handler = undefined;
  }
}

/** Whole answer in the OpenAI error shape to a request that has no handler; its client is asked to send no more. */
export function answerHttp2Error(stream: ServerHttp2Stream, status: number, code: string, message: string): void {
  if (stream.destroyed) return;
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(encodeErrorBody(code, message), () => stream.close(H2_NO_ERROR));
  stream.resume();
}

/** Drops what HTTP/2 forbids, checks what must not be written, folds repeated names as node wants them. */
function toNodeHeaders(flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    const value = flat[i + 1] as string;
    const role = roleOf(name);
    if (role !== FieldRole.Plain && role !== FieldRole.Date && role !== FieldRole.ContentLength) continue;
    if (!isFieldText(value, 0, value.length)) {
      throw new BugError(`Value of header field ${name} has characters that must not be written`);
    }
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (name === 'set-cookie')
      headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
    else headers[name] = `${String(before)}, ${value}`;
  }
  return headers;
}

function roleOf(name: string): FieldRole {
  try {
    return lookUpFieldName(name).role;
  } catch {
    throw new BugError(`Header field name ${JSON.stringify(name)} must not be written`);
  }
}
