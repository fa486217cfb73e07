import { BugError } from '../api/errors.js';
import { HeaderMap } from '../api/headers.js';
import { BACKSLASH, CR, DQUOTE, EQUALS, hexValue, isFieldCode, isTokenCode, LF, SEMICOLON } from './characters.js';
import { BodyFraming, type HeadLimits, HeadParser } from './head-parser.js';
import { Http1ProtocolError } from './protocol-error.js';

/** Receives one decoded body. Exactly one end: `last`, or `onBodyTrailers`. */
export interface BodySink {
  /**
   * A piece of the body, a view on the input; empty only with `last`. `framed`: the same piece with the chunk framing
   * around it, when one whole chunk without extensions lay in the input.
   */
  onBodyBytes(bytes: Buffer, framed: Buffer | undefined, last: boolean): void;
  /** A trailer section with at least one field ends the body. */
  onBodyTrailers(trailers: HeaderMap): void;
}

/** Longest size that is believed: 13 hexadecimal digits, 4 PiB. */
const MAX_SIZE_DIGITS = 13;
/** All chunk extensions of one body together. They mean nothing to us: a sender of more is wasting our time. */
const MAX_EXTENSION_BYTES = 16 * 1024;
const TRAILER_LIMITS: HeadLimits = { maxHeadBytes: 16 * 1024, maxStartLineBytes: 16 * 1024, maxFields: 100 };
const EMPTY = Buffer.alloc(0);

/** Where in the chunked grammar the next byte stands. */
const State = {
  SizeFirst: 0,
  Size: 1,
  ExtensionNameFirst: 2,
  ExtensionName: 3,
  ExtensionValueFirst: 4,
  ExtensionValue: 5,
  Quoted: 6,
  QuotedPair: 7,
  QuotedEnd: 8,
  SizeLf: 9,
  Data: 10,
  DataCr: 11,
  DataLf: 12,
  Trailers: 13,
} as const;
type State = (typeof State)[keyof typeof State];

/**
 * Decodes one body after another: `start` with the head's framing, then `decode` bytes in any cut until `complete`.
 * Copies nothing. Throws {@link Http1ProtocolError} for broken chunks; after that the instance is of no use until the
 * next `start`.
 */
export class BodyDecoder {
  /** True when the body has ended; also before the first `start`. */
  complete = true;

  #framing: BodyFraming = BodyFraming.None;
  #state: State = State.SizeFirst;
  /** Bytes still to come: of the body (`Length`) or of the chunk. */
  #remaining = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  /** Where the size line of the chunk began in the current input; -1 when in an earlier one or not to be passed on. */
  #framedFrom = -1;
  /** Payload of a chunk that ended in the current input and waits to be told whether it was the last. */
  #pending: Buffer | undefined = undefined;
  #pendingFramed: Buffer | undefined = undefined;
  #trailers: HeadParser | undefined = undefined;
  #stopped = false;

  /**
   * Prepares for the next body. `contentLength` matters for `Length` only. With `None` the body is complete at once and
   * no sink is told.
   */
  start(framing: BodyFraming, contentLength: number): void {
    this.#framing = framing;
    this.#remaining = framing === BodyFraming.Length ? contentLength : 0;
    this.complete = framing === BodyFraming.None || (framing === BodyFraming.Length && contentLength === 0);
    this.#state = State.SizeFirst;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
    this.#framedFrom = -1;
    this.#pending = undefined;
    this.#pendingFramed = undefined;
    this.#trailers = undefined;
    this.#stopped = false;
  }

  /** Called from within a sink: nothing more of the current input is decoded, no further call follows. */
  stop(): void {
    this.#stopped = true;
  }

  /** Decodes `input` from `from`; returns how many bytes belong to the body. */
  decode(input: Buffer, from: number, sink: BodySink): number {
    if (this.complete) throw new BugError('BodyDecoder.decode() after the end of the body');
    if (from >= input.length) return 0;
    if (this.#framing === BodyFraming.Chunked) return this.#decodeChunked(input, from, sink);
    if (this.#framing === BodyFraming.UntilEnd) {
      sink.onBodyBytes(from === 0 ? input : input.subarray(from), undefined, false);
      return input.length - from;
    }
    const taken = Math.min(this.#remaining, input.length - from);
    this.#remaining -= taken;
    this.complete = this.#remaining === 0;
    sink.onBodyBytes(slice(input, from, from + taken), undefined, this.complete);
    return taken;
  }

  /** The connection ended: completes a body that lasts until then, throws `unexpected_end` for any other. */
  end(sink: BodySink): void {
    if (this.complete) return;
    if (this.#framing !== BodyFraming.UntilEnd) throw new Http1ProtocolError('unexpected_end');
    this.complete = true;
    sink.onBodyBytes(EMPTY, undefined, true);
  }

  #decodeChunked(input: Buffer, from: number, sink: BodySink): number {
    let at = from;
    this.#framedFrom = -1;
    while (at < input.length && !this.complete && !this.#stopped) {
      if (this.#state === State.Data) at = this.#takeData(input, at, sink);
      else if (this.#state === State.Trailers) at = this.#takeTrailers(input, at);
      else at = this.#takeFraming(input, at, sink);
    }
    // Last of all: the sink of an end may start the next body.
    if (!this.#stopped) this.#emitEnd(sink);
    return at - from;
  }

  #emitEnd(sink: BodySink): void {
    const trailers = this.#trailers;
    const hasTrailers = this.complete && trailers !== undefined && trailers.flat.length > 0;
    const last = this.complete && !hasTrailers;
    if (this.#pending !== undefined) this.#flush(sink, last);
    else if (last) sink.onBodyBytes(EMPTY, undefined, true);
    if (hasTrailers && !this.#stopped) sink.onBodyTrailers(new HeaderMap(trailers.flat));
  }

  /** Size line and the line end after the data: byte by byte, since both are a few bytes long. */
  #takeFraming(input: Buffer, from: number, sink: BodySink): number {
    let at = from;
    let state = this.#state;
    while (at < input.length) {
      const code = input[at] as number;
      if (state === State.SizeFirst) {
        if (this.#pending !== undefined && code !== 48) this.#flush(sink, false);
        if (this.#stopped) break;
        this.#framedFrom = at;
        this.#remaining = 0;
        this.#sizeDigits = 0;
        state = this.#takeSizeDigit(code);
      } else if (state === State.Size) {
        if (code === CR) state = State.SizeLf;
        else if (code === SEMICOLON) state = State.ExtensionNameFirst;
        else state = this.#takeSizeDigit(code);
      } else if (state === State.SizeLf) {
        if (code !== LF) throw new Http1ProtocolError('bad_chunk');
        at++;
        state = this.#remaining === 0 ? State.Trailers : State.Data;
        break;
      } else if (state === State.DataCr) {
        if (code !== CR) throw new Http1ProtocolError('bad_chunk');
        state = State.DataLf;
      } else if (state === State.DataLf) {
        if (code !== LF) throw new Http1ProtocolError('bad_chunk');
        if (this.#framedFrom >= 0 && this.#pending !== undefined) {
          this.#pendingFramed = slice(input, this.#framedFrom, at + 1);
        }
        state = State.SizeFirst;
      } else {
        state = this.#takeExtension(state, code);
      }
      at++;
    }
    this.#state = state;
    return at;
  }

  #takeSizeDigit(code: number): State {
    const digit = hexValue(code);
    if (digit < 0 || ++this.#sizeDigits > MAX_SIZE_DIGITS) throw new Http1ProtocolError('bad_chunk');
    this.#remaining = this.#remaining * 16 + digit;
    return State.Size;
  }

  /** `;name`, `;name=token`, `;name="quoted"`: checked and dropped, so they are never passed on. */
  #takeExtension(state: State, code: number): State {
    this.#framedFrom = -1;
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES) throw new Http1ProtocolError('chunk_extension_too_long');
    switch (state) {
      case State.ExtensionNameFirst:
        if (isTokenCode(code)) return State.ExtensionName;
        break;
      case State.ExtensionName:
        if (isTokenCode(code)) return State.ExtensionName;
        if (code === EQUALS) return State.ExtensionValueFirst;
        if (code === SEMICOLON) return State.ExtensionNameFirst;
        if (code === CR) return State.SizeLf;
        break;
      case State.ExtensionValueFirst:
        if (code === DQUOTE) return State.Quoted;
        if (isTokenCode(code)) return State.ExtensionValue;
        break;
      case State.ExtensionValue:
        if (isTokenCode(code)) return State.ExtensionValue;
        if (code === SEMICOLON) return State.ExtensionNameFirst;
        if (code === CR) return State.SizeLf;
        break;
      case State.Quoted:
        if (code === DQUOTE) return State.QuotedEnd;
        if (code === BACKSLASH) return State.QuotedPair;
        if (isFieldCode(code)) return State.Quoted;
        break;
      case State.QuotedPair:
        if (isFieldCode(code)) return State.Quoted;
        break;
      case State.QuotedEnd:
        if (code === SEMICOLON) return State.ExtensionNameFirst;
        if (code === CR) return State.SizeLf;
        break;
    }
    throw new Http1ProtocolError('bad_chunk');
  }

  #takeData(input: Buffer, at: number, sink: BodySink): number {
    if (this.#pending !== undefined) this.#flush(sink, false);
    if (this.#stopped) return at;
    const taken = Math.min(this.#remaining, input.length - at);
    this.#remaining -= taken;
    const bytes = slice(input, at, at + taken);
    if (this.#remaining > 0) {
      this.#framedFrom = -1;
      sink.onBodyBytes(bytes, undefined, false);
      return at + taken;
    }
    this.#pending = bytes;
    this.#state = State.DataCr;
    return at + taken;
  }

  #takeTrailers(input: Buffer, at: number): number {
    if (this.#trailers === undefined) {
      if (input[at] === CR && input[at + 1] === LF) {
        this.complete = true;
        return at + 2;
      }
      this.#trailers = new HeadParser('trailers', TRAILER_LIMITS);
    }
    const consumed = this.#trailers.parse(input, at);
    this.complete = this.#trailers.complete;
    return at + consumed;
  }

  #flush(sink: BodySink, last: boolean): void {
    const bytes = this.#pending as Buffer;
    const framed = this.#pendingFramed;
    this.#pending = undefined;
    this.#pendingFramed = undefined;
    sink.onBodyBytes(bytes, framed, last);
  }
}

function slice(input: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === input.length ? input : input.subarray(start, end);
}
