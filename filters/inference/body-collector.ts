const EMPTY = Buffer.alloc(0);
/** Memory taken at once on a client's word about the length; beyond it the buffer doubles as bytes arrive. */
const MAX_FIRST_BYTES = 1024 * 1024;
const MIN_FIRST_BYTES = 4 * 1024;

/**
 * Puts a request body together. A body that comes in one piece is kept as it is; others are copied into one growing
 * buffer, so that many small pieces cost no more than their bytes.
 */
export class BodyCollector {
  /** Bytes so far. */
  length = 0;
  readonly #expectedBytes: number;
  /** The only piece, until there is a second. */
  #single: Buffer | undefined = undefined;
  #buffer: Buffer | undefined = undefined;

  /** `expectedBytes`: the declared length, or 0. A hint only. */
  constructor(expectedBytes: number) {
    this.#expectedBytes = expectedBytes;
  }

  add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.length === 0) {
      this.#single = bytes;
      this.length = bytes.length;
      return;
    }
    const single = this.#single;
    if (single !== undefined) {
      this.#single = undefined;
      this.#reserve(single.length + bytes.length).set(single);
    }
    this.#reserve(this.length + bytes.length).set(bytes, this.length);
    this.length += bytes.length;
  }

  /** The whole body. The collector gives it up. */
  take(): Buffer {
    const whole = this.#single ?? this.#buffer?.subarray(0, this.length) ?? EMPTY;
    this.#single = undefined;
    this.#buffer = undefined;
    return whole;
  }

  #reserve(bytes: number): Buffer {
    const old = this.#buffer;
    if (old !== undefined && old.length >= bytes) return old;
    const hint = Math.min(this.#expectedBytes, MAX_FIRST_BYTES);
    const doubled =
      old === undefined ? MIN_FIRST_BYTES : Math.min(old.length * 2, Math.max(bytes, this.#expectedBytes || Infinity));
    const buffer = Buffer.allocUnsafeSlow(Math.max(bytes, hint, doubled));
    if (old !== undefined) old.copy(buffer, 0, 0, this.length);
    this.#buffer = buffer;
    return buffer;
  }
}
