import type { HeaderMap, ResponseHeaders } from '../api/headers.js';
import type { ServerStream } from '../api/http-server.js';
import { formatChunkSize } from '../http1/chunk-writer.js';
import {
  CONNECTION_CLOSE_LINE,
  CONNECTION_KEEP_ALIVE_LINE,
  FRAMING_CHUNKED,
  FRAMING_NONE,
  formatResponseHead,
  formatTrailers,
} from '../http1/head-writer.js';
import type { Http1Connection } from './http1-connection.js';
import type { SocketWriter } from './socket-writer.js';

const LAST_CHUNK_TEXT = '0\r\n\r\n';
const CHUNK_END_TEXT = '\r\n';
const LENGTH = /^[0-9]{1,15}$/;

/**
 * One request and its answer on an HTTP/1 connection: decides the framing of the answer and writes it. Once the answer
 * has ended, or the stream was reset by either side, its methods do nothing and its handler hears nothing more.
 */
export class Http1Stream implements ServerStream {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1';
  readonly remoteAddress: string;
  /** The answer's head has been written. */
  headSent = false;
  /** The connection does not outlive the answer. */
  closeAfter: boolean;

  #connection: Http1Connection | undefined;
  readonly #writer: SocketWriter;
  readonly #isHead: boolean;
  #chunked = false;
  #bodyless = false;
  /** Bytes of the declared length still to come; -1 none was declared. */
  #remaining = -1;

  constructor(
    connection: Http1Connection,
    writer: SocketWriter,
    remoteAddress: string,
    protocol: 'HTTP/1.0' | 'HTTP/1.1',
    isHead: boolean,
    closeAfter: boolean,
  ) {
    this.#connection = connection;
    this.#writer = writer;
    this.remoteAddress = remoteAddress;
    this.protocol = protocol;
    this.#isHead = isHead;
    this.closeAfter = closeAfter;
  }

  get aboveHighWatermark(): boolean {
    return this.#connection !== undefined && this.#writer.above;
  }

  /** The answer ends only with the connection: a cut must not look like an end. */
  get endsWithConnection(): boolean {
    return this.headSent && !this.#bodyless && !this.#chunked && this.#remaining < 0;
  }

  /** Throws BugError, nothing written, for fields that must not be written. */
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const connection = this.#connection;
    if (connection === undefined || this.headSent) return;
    const framing = this.#chooseFraming(headers, endStream);
    const close = this.closeAfter || connection.mustCloseAfter() || this.#needsEndOfConnection(framing);
    let line = '';
    if (close) line = CONNECTION_CLOSE_LINE;
    else if (this.protocol === 'HTTP/1.0') line = CONNECTION_KEEP_ALIVE_LINE;
    const text = formatResponseHead(headers.status, headers.flat, framing, line, connection.dateLine);
    this.closeAfter = close;
    this.headSent = true;
    this.#chunked = framing === FRAMING_CHUNKED;
    this.#remaining = framing >= 0 && !this.#bodyless ? framing : -1;
    this.#writer.writeText(text);
    if (endStream) this.#end(connection);
  }

  encodeData(bytes: Buffer, endStream: boolean, framed?: Buffer): void {
    const connection = this.#connection;
    if (connection === undefined || !this.headSent) return;
    if (bytes.length > 0 && !this.#bodyless && !this.#writeBody(bytes, framed)) {
      connection.abort(this);
      return;
    }
    if (this.#connection === undefined || !endStream) return;
    if (this.#chunked) this.#writer.writeText(LAST_CHUNK_TEXT);
    this.#end(connection);
  }

  /** Without chunks there is no place for trailers: the answer just ends. */
  encodeTrailers(trailers: HeaderMap): void {
    const connection = this.#connection;
    if (connection === undefined || !this.headSent) return;
    if (this.#chunked) this.#writer.writeText(`0\r\n${formatTrailers(trailers.flat)}\r\n`);
    this.#end(connection);
  }

  reset(): void {
    this.#connection?.abort(this);
  }

  breakConnection(bytes: Buffer | undefined, how: 'end' | 'reset'): void {
    this.#connection?.breakOff(this, bytes, how);
  }

  readDisable(disable: boolean): void {
    this.#connection?.readDisable(disable);
  }

  /** For the connection: the stream is over. */
  detach(): void {
    this.#connection = undefined;
  }

  #chooseFraming(headers: ResponseHeaders, endStream: boolean): number {
    const status = headers.status;
    const declared = declaredLength(headers);
    this.#bodyless = this.#isHead || status === 204 || status === 304 || status < 200;
    if (this.#bodyless) return status === 204 || status < 200 || declared < 0 ? FRAMING_NONE : declared;
    if (declared >= 0) return declared;
    if (endStream) return 0;
    return this.protocol === 'HTTP/1.1' ? FRAMING_CHUNKED : FRAMING_NONE;
  }

  #needsEndOfConnection(framing: number): boolean {
    return framing === FRAMING_NONE && !this.#bodyless;
  }

  /** False when the answer is longer than it declared to be. */
  #writeBody(bytes: Buffer, framed: Buffer | undefined): boolean {
    const writer = this.#writer;
    if (this.#chunked) {
      if (framed !== undefined) {
        writer.writeBytes(framed);
      } else {
        writer.writeText(formatChunkSize(bytes.length));
        writer.writeBytes(bytes);
        writer.writeText(CHUNK_END_TEXT);
      }
      return true;
    }
    if (this.#remaining >= 0) {
      if (bytes.length > this.#remaining) return false;
      this.#remaining -= bytes.length;
    }
    writer.writeBytes(bytes);
    return true;
  }

  #end(connection: Http1Connection): void {
    // Shorter than declared: the client must see that it was cut.
    if (this.#remaining > 0) connection.abort(this);
    else connection.endResponse(this);
  }
}

/** -1 when the answer declares no length, or none that could be believed. */
function declaredLength(headers: ResponseHeaders): number {
  const text = headers.get('content-length');
  return text !== undefined && LENGTH.test(text) ? Number(text) : -1;
}
