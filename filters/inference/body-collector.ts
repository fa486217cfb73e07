import type { RequestScope } from '../../core/api/index.js';
import { type BodyPool, MIN_POOLED_BYTES } from './body-pool.js';

const EMPTY = Buffer.alloc(0);
/** Memory taken at once on a client's word about the length; beyond it the buffer doubles as bytes arrive. */
const MAX_FIRST_BYTES = 1024 * 1024;

/**
 * Puts a request body together. A body that comes in one piece is kept as it is; others are copied into one growing
 * buffer of the pool, so that many small pieces cost no more than their bytes. The scope gives the buffer back: after
 * its end nobody may read the body.
 */
export class BodyCollector {
  /** Bytes so far. */
  length = 0;
  readonly #expectedBytes: number;
  readonly #pool: BodyPool;
  readonly #scope: RequestScope;
  /** The only piece, until there is a second. */
  #single: Buffer | undefined = undefined;
  #buffer: Buffer | undefined = undefined;

  /** `expectedBytes`: the declared length, or 0. A hint only. */
  constructor(expectedBytes: number, pool: BodyPool, scope: RequestScope) {
    this.#expectedBytes = expectedBytes;
    this.#pool = pool;
    this.#scope = scope;
  }

  /** Whether the body lies in memory that the scope will give to other requests. */
  get pooled(): boolean {
    return this.#buffer !== undefined;
  }

  add(bytes: Buffer): void {
    if (bytes.length === 0 || this.#scope.ended) return;
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

  /** The whole body, valid until the end of the scope. */
  take(): Buffer {
    return this.#single ?? this.#buffer?.subarray(0, this.length) ?? EMPTY;
  }

  /** For the scope. */
  release(): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    if (buffer !== undefined) this.#pool.give(buffer);
  }

  #reserve(bytes: number): Buffer {
    const old = this.#buffer;
    if (old !== undefined && old.length >= bytes) return old;
    const hint = Math.min(this.#expectedBytes, MAX_FIRST_BYTES);
    const doubled =
      old === undefined ? MIN_POOLED_BYTES : Math.min(old.length * 2, Math.max(bytes, this.#expectedBytes || Infinity));
    const buffer = this.#pool.take(Math.max(bytes, hint, doubled));
    this.#buffer = buffer;
    if (old === undefined) {
      this.#scope.own(this);
    } else {
      old.copy(buffer, 0, 0, this.length);
      this.#pool.give(old);
    }
    return buffer;
  }
}
