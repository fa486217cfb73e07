/**
 * Finds a byte string in a stream, however that is cut. The needle's first byte must not occur again in it but at its very
 * end, so that a match that breaks off hides no other.
 */
export class NeedleSearch {
  readonly #needle: Buffer;
  /** How much of a match the bytes so far end with. */
  #matched = 0;

  constructor(needle: string) {
    this.#needle = Buffer.from(needle, 'latin1');
  }

  /** Offset behind the next match at or after `from` in the next piece; -1: none, and the piece is used up. */
  next(bytes: Buffer, from: number): number {
    const needle = this.#needle;
    if (this.#matched > 0) {
      const wanted = needle.length - this.#matched;
      const here = Math.min(wanted, bytes.length - from);
      const goesOn = bytes.compare(needle, this.#matched, this.#matched + here, from, from + here) === 0;
      if (goesOn && here < wanted) {
        this.#matched += here;
        return -1;
      }
      this.#matched = 0;
      if (goesOn) return from + wanted;
    }
    const at = bytes.indexOf(needle, from);
    if (at !== -1) return at + needle.length;
    this.#matched = this.#beginningAtEnd(bytes, from);
    return -1;
  }

  #beginningAtEnd(bytes: Buffer, from: number): number {
    const needle = this.#needle;
    const windowStart = Math.max(from, bytes.length - needle.length + 1);
    for (let at = bytes.length - 1; at >= windowStart; at--) {
      if (bytes[at] !== needle[0]) continue;
      const length = bytes.length - at;
      return bytes.compare(needle, 0, length, at) === 0 ? length : 0;
    }
    return 0;
  }
}
