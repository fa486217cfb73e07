import type { StreamTerminator } from '../api/client-api.js';

/** Default of how much of the end of a stream is remembered, bytes. Enough for `data: [DONE]` and what may follow it. */
export const TERMINATOR_TAIL_BYTES = 64;

const LF = 0x0a;
const CR = 0x0d;
const DONE_LINE = /[\r\n]data: ?\[DONE\][ \t]*(?:[\r\n]|$)/;
const OTHER_LINE = '-';
const MAX_LINE_START_BYTES = 48;

/** Names of the events that end a stream. `error` counts: the client has been told, nothing looks complete. */
const ENDING_EVENTS = {
  message_stop: /^event: ?(?:message_stop|error)$/,
  response_terminal: /^event: ?(?:response\.(?:completed|failed|incomplete)|error)$/,
} as const;

/**
 * Watches the bytes of a stream for its terminator without splitting it into events or parsing any: for `done` a short
 * copy per chunk, for named events a look at how each line begins. Independent of how the stream is cut.
 */
export class TerminatorWatch {
  readonly #kind: StreamTerminator;
  readonly #tailBytes: number;
  /** The last bytes of the stream end at `#tailEnd`; twice as large as needed, so that it is rarely moved. */
  readonly #tail: Buffer;
  #tailEnd = 0;
  /** The tail is all there was. */
  #tailIsWhole = true;
  /** Beginning of a line that starts with `e`, latin1; `-` for any other that has begun; empty between lines. */
  #line = '';
  #afterCr = false;
  /** The event that has begun is one that ends the stream, once its blank line comes. */
  #ending = false;
  #ended = false;

  /** `tailBytes`: how much {@link TerminatorWatch.tail} is to keep; at least 64. */
  constructor(kind: StreamTerminator, tailBytes: number = TERMINATOR_TAIL_BYTES) {
    this.#kind = kind;
    this.#tailBytes = Math.max(tailBytes, TERMINATOR_TAIL_BYTES);
    this.#tail = Buffer.allocUnsafe(this.#tailBytes * 2);
  }

  push(bytes: Buffer): void {
    this.#remember(bytes);
    if (this.#ended) return;
    if (this.#kind === 'message_stop') this.#readLines(bytes, ENDING_EVENTS.message_stop);
    else if (this.#kind === 'response_terminal') this.#readLines(bytes, ENDING_EVENTS.response_terminal);
  }

  /** Whether the stream, if it ended now, would have ended with its terminator. */
  get seen(): boolean {
    if (this.#kind === 'eof' || this.#ended) return true;
    if (this.#kind !== 'done') return false;
    const from = Math.max(0, this.#tailEnd - TERMINATOR_TAIL_BYTES);
    const text = this.#tail.latin1Slice(from, this.#tailEnd);
    return DONE_LINE.test(from === 0 && this.#tailIsWhole ? `\n${text}` : text);
  }

  /** The last bytes of the stream, at most `tailBytes`. A view, valid until the next `push`. */
  tail(): Buffer {
    return this.#tail.subarray(Math.max(0, this.#tailEnd - this.#tailBytes), this.#tailEnd);
  }

  #remember(bytes: Buffer): void {
    const tail = this.#tail;
    const length = bytes.length;
    if (length >= this.#tailBytes) {
      if (this.#tailEnd > 0 || length > this.#tailBytes) this.#tailIsWhole = false;
      bytes.copy(tail, 0, length - this.#tailBytes, length);
      this.#tailEnd = this.#tailBytes;
      return;
    }
    if (this.#tailEnd + length > tail.length) {
      this.#tailIsWhole = false;
      tail.copyWithin(0, this.#tailEnd - this.#tailBytes, this.#tailEnd);
      this.#tailEnd = this.#tailBytes;
    }
    bytes.copy(tail, this.#tailEnd);
    this.#tailEnd += length;
  }

  #readLines(bytes: Buffer, ending: RegExp): void {
    const end = bytes.length;
    let pos = this.#afterCr && bytes[0] === LF ? 1 : 0;
    if (end > 0) this.#afterCr = false;
    let lf = -1;
    let cr = -1;
    while (pos < end) {
      if (lf < pos) lf = bytes[pos] === LF ? pos : indexOrEnd(bytes, LF, pos);
      if (cr < pos) cr = indexOrEnd(bytes, CR, pos);
      const at = Math.min(lf, cr);
      if (at > pos) this.#addToLine(bytes, pos, at);
      if (at === end) return;
      if (this.#line === '') {
        this.#ended = this.#ending;
        if (this.#ended) return;
      } else if (this.#line !== OTHER_LINE) {
        this.#ending = this.#ending || ending.test(this.#line);
      }
      this.#line = '';
      pos = at + 1;
      if (at === cr) {
        if (pos === end) this.#afterCr = true;
        else if (bytes[pos] === LF) pos++;
      }
    }
  }

  /** Only a line that can begin with `event` is worth decoding, and no more of it than a name needs. */
  #addToLine(bytes: Buffer, start: number, end: number): void {
    if (this.#line === OTHER_LINE) return;
    if (this.#line === '' && bytes[start] !== 0x65) {
      this.#line = OTHER_LINE;
      return;
    }
    const room = MAX_LINE_START_BYTES - this.#line.length;
    if (room > 0) this.#line += bytes.latin1Slice(start, Math.min(end, start + room));
  }
}

function indexOrEnd(bytes: Buffer, value: number, from: number): number {
  const at = bytes.indexOf(value, from);
  return at === -1 ? bytes.length : at;
}
