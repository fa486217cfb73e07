import { GatewayError } from '../api/errors.js';
import type { SseEvent } from '../api/filter.js';

/** Default bound of one SSE frame, bytes. */
export const MAX_SSE_EVENT_BYTES = 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const BOM = 0xfeff;
const LINE_BREAK = /\r\n|\r|\n/g;
const MIN_HELD_BYTES = 512;

/** One frame as {@link SseSplitter} found it. Fields are decoded when they are first read. */
export class SseEventFrame implements SseEvent {
  /** The bytes received, line ends and blank line included; unchanged by {@link SseEventFrame.setData}. */
  readonly raw: Buffer;
  readonly #mayHaveBom: boolean;
  #bytes: Buffer;
  #decoded = false;
  #event: string | undefined = undefined;
  #data: string | undefined = undefined;

  /** `first`: of the whole stream, where a byte order mark may stand and means nothing. */
  constructor(raw: Buffer, first = false) {
    this.raw = raw;
    this.#bytes = raw;
    this.#mayHaveBom = first;
  }

  /** What to send: `raw`, or the new framing after {@link SseEventFrame.setData}. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get event(): string | undefined {
    if (!this.#decoded) this.#decode();
    return this.#event;
  }

  get data(): string | undefined {
    if (!this.#decoded) this.#decode();
    return this.#data;
  }

  /** Replaces the payload; the frame's other fields and comments stay. Line breaks in it become `data` lines. */
  setData(data: string): void {
    const event = this.event;
    const lines = this.#text().split('\n');
    let framed = '';
    let written = false;
    for (const line of lines) {
      if (line === '') continue;
      if (!isDataLine(line)) framed += `${line}\n`;
      else if (!written) {
        framed += dataLines(data);
        written = true;
      }
    }
    if (!written) framed += dataLines(data);
    this.#bytes = Buffer.from(`${framed}\n`, 'utf8');
    this.#event = event;
    this.#data = data.replace(LINE_BREAK, '\n');
  }

  /** The received frame with LF line ends, without byte order mark. */
  #text(): string {
    let text = this.raw.toString('utf8');
    if (this.#mayHaveBom && text.charCodeAt(0) === BOM) text = text.slice(1);
    return text.includes('\r') ? text.replace(LINE_BREAK, '\n') : text;
  }

  #decode(): void {
    this.#decoded = true;
    const text = this.#text();
    let pos = 0;
    while (pos < text.length) {
      let end = text.indexOf('\n', pos);
      if (end === -1) end = text.length;
      if (text.startsWith('data', pos)) {
        const value = fieldValue(text, pos + 4, end);
        if (value !== undefined) this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
      } else if (text.startsWith('event', pos)) {
        this.#event = fieldValue(text, pos + 5, end) ?? this.#event;
      }
      pos = end + 1;
    }
  }
}

/** Value of the field whose name ends at `pos`; undefined when the name goes on, so that it is another field. */
function fieldValue(text: string, pos: number, end: number): string | undefined {
  if (pos === end) return '';
  if (text.charCodeAt(pos) !== 0x3a) return undefined;
  return text.slice(text.charCodeAt(pos + 1) === 0x20 ? pos + 2 : pos + 1, end);
}

function isDataLine(line: string): boolean {
  return line.startsWith('data') && (line.length === 4 || line.charCodeAt(4) === 0x3a);
}

function dataLines(data: string): string {
  return `data: ${data.replace(LINE_BREAK, '\ndata: ')}\n`;
}

/** One frame from a payload and, for named events, its name. Line breaks in `data` become `data` lines. */
export function encodeSseEvent(data: string, event?: string): Buffer {
  const name = event === undefined ? '' : `event: ${event}\n`;
  return Buffer.from(`${name}${dataLines(data)}\n`, 'utf8');
}

/**
 * Cuts a byte stream into SSE frames, whatever the chunking; LF, CR and CRLF. A frame ends with its blank line; a blank
 * line on its own (a keep-alive) is a frame without fields. All `raw`s in order, then {@link SseSplitter.rest}, are the
 * input. Frames do not depend on how the input was cut. A frame that lies in one chunk is a view of it; only one that
 * spans chunks is copied, once.
 *
 * Where a blank line is a CR that may be half of a CRLF, the frame comes with the next byte, or from
 * {@link SseSplitter.finish}; streams that use CR alone do not wait.
 */
export class SseSplitter {
  readonly #maxEventBytes: number;
  #held: Buffer | undefined = undefined;
  #heldBytes = 0;
  #first = true;
  /** Nothing of the current line has been seen. */
  #lineEmpty = true;
  /** The last byte was a CR; an LF now belongs to it. */
  #afterCr = false;
  /** The held frame is complete but for the LF that may follow its CR. */
  #complete = false;
  /** The last line ended with a CR alone. */
  #loneCr = false;

  constructor(maxEventBytes: number = MAX_SSE_EVENT_BYTES) {
    this.#maxEventBytes = maxEventBytes;
  }

  /**
   * Takes the next bytes and hands out every frame that they complete, synchronously. Throws `upstream_protocol_error`
   * when a frame outgrows the bound; the splitter must not be used after that.
   */
  push(bytes: Buffer, onEvent: (event: SseEventFrame) => void): void {
    const end = bytes.length;
    if (end === 0) return;
    let start = 0;
    let pos = 0;
    if (this.#afterCr) {
      if (bytes[0] === LF) pos = 1;
      this.#loneCr = pos === 0;
      this.#afterCr = false;
      if (this.#complete) {
        this.#complete = false;
        this.#emit(bytes, 0, pos, onEvent);
        start = pos;
      }
    }
    let lf = -1;
    let cr = -1;
    while (pos < end) {
      if (lf < pos) lf = bytes[pos] === LF ? pos : indexOrEnd(bytes, LF, pos);
      if (cr < pos) cr = indexOrEnd(bytes, CR, pos);
      const at = Math.min(lf, cr);
      if (at === end) {
        this.#lineEmpty = false;
        break;
      }
      const blank = at === pos && this.#lineEmpty;
      this.#lineEmpty = true;
      pos = at + 1;
      if (at === lf) {
        this.#loneCr = false;
      } else if (!blank || !this.#loneCr) {
        if (pos === end) {
          this.#afterCr = true;
          this.#complete = blank;
          break;
        }
        this.#loneCr = bytes[pos] !== LF;
        if (!this.#loneCr) pos++;
      }
      if (blank) {
        this.#emit(bytes, start, pos, onEvent);
        start = pos;
      }
    }
    if (start < end) this.#hold(bytes, start, end);
  }

  /** At the end of the stream: hands out the frame that only waited for a possible LF, if there is one. */
  finish(onEvent: (event: SseEventFrame) => void): void {
    if (!this.#complete) return;
    this.#complete = false;
    this.#afterCr = false;
    this.#emit(EMPTY, 0, 0, onEvent);
  }

  /** Bytes of the frame that has not ended; empty when there is none. A view, valid until the next call. */
  rest(): Buffer {
    return this.#held === undefined ? EMPTY : this.#held.subarray(0, this.#heldBytes);
  }

  #emit(bytes: Buffer, start: number, end: number, onEvent: (event: SseEventFrame) => void): void {
    let raw: Buffer;
    if (this.#heldBytes === 0) {
      if (end - start > this.#maxEventBytes) throw tooLarge(this.#maxEventBytes);
      raw = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    } else {
      this.#hold(bytes, start, end);
      raw = this.rest();
      this.#held = undefined;
      this.#heldBytes = 0;
    }
    const first = this.#first;
    this.#first = false;
    onEvent(new SseEventFrame(raw, first));
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    const total = this.#heldBytes + end - start;
    if (total > this.#maxEventBytes) throw tooLarge(this.#maxEventBytes);
    let held = this.#held;
    if (held === undefined || held.length < total) {
      const grown = Buffer.allocUnsafe(Math.max(MIN_HELD_BYTES, total * 2));
      if (held !== undefined) held.copy(grown, 0, 0, this.#heldBytes);
      held = grown;
      this.#held = grown;
    }
    bytes.copy(held, this.#heldBytes, start, end);
    this.#heldBytes = total;
  }
}

const EMPTY = Buffer.alloc(0);

function indexOrEnd(bytes: Buffer, value: number, from: number): number {
  const at = bytes.indexOf(value, from);
  return at === -1 ? bytes.length : at;
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError('upstream_protocol_error', `The worker sent a stream event larger than ${limitBytes} bytes`, {
    details: 'sse_event_too_large',
  });
}
