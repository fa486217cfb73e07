/** Bytes of an unfinished event that are held back; past it the stream is passed on as it comes. */
const MAX_HELD_BYTES = 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

/** Whether these bytes end with a blank line, the end of an SSE frame (LF or CRLF). */
function endsFrame(bytes: Buffer): boolean {
  const length = bytes.length;
  if (length < 2 || bytes[length - 1] !== LF) return false;
  const before = bytes[length - 2];
  if (before === LF) return true;
  return length >= 3 && before === CR && bytes[length - 3] === LF;
}

/** Offset behind the last complete frame in `bytes`, or 0. */
function lastFrameEnd(bytes: Buffer): number {
  const lf = bytes.lastIndexOf('\n\n', undefined, 'latin1');
  const crlf = bytes.lastIndexOf('\n\r\n', undefined, 'latin1');
  return Math.max(lf < 0 ? 0 : lf + 2, crlf < 0 ? 0 : crlf + 3);
}

/**
 * Lets only whole events out, so that an error event can follow at any moment without landing in the middle of
 * another. Workers write event by event, hence nearly every chunk passes untouched; a client cannot use half an event
 * anyway.
 */
export class SseAlignment {
  #held: Buffer | undefined = undefined;
  #off = false;

  /** Whether nothing is held back and `bytes` may go out as they are. */
  passes(bytes: Buffer): boolean {
    return this.#off || (this.#held === undefined && endsFrame(bytes));
  }

  /** The part of all bytes so far that may go out now; undefined when there is none. */
  push(bytes: Buffer): Buffer | undefined {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]);
    const end = endsFrame(all) ? all.length : lastFrameEnd(all);
    const rest = all.length - end;
    if (rest > MAX_HELD_BYTES) {
      this.#off = true;
      this.#held = undefined;
      return all;
    }
    this.#held = rest === 0 ? undefined : all.subarray(end);
    return end === 0 ? undefined : all.subarray(0, end);
  }

  /** The rest at a proper end of the stream. */
  flush(): Buffer | undefined {
    const held = this.#held;
    this.#held = undefined;
    return held;
  }
}
