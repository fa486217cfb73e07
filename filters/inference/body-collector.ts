import type { RequestScope } from '../../core/api/index.js';
import { type BodyPool, MIN_POOLED_BYTES } from './body-pool.js';

const EMPTY = Buffer.alloc(0);
/** Memory taken at once on a client's word about the length; beyond it the buffer doubles as bytes arrive. */
const MAX_FIRST_BYTES = 1024 * 1024;

/**
 * Puts a request body together, in one growing buffer, so that many small pieces cost no more than their bytes. That of
 * a large body comes from the pool and the scope gives it back: after its end nobody may read the body.
 */
export class BodyCollector {
  /** Bytes so far. */
  length = 0;
  readonly #expectedBytes: number;
  readonly #pool: BodyPool;
  readonly #scope: RequestScope;
  #buffer: Buffer | undefined = undefined;
  #pooled = false;

  /** `expectedBytes`: the declared length, or 0. A hint only. */
  constructor(expectedBytes: number, pool: BodyPool, scope: RequestScope) {
    this.#expectedBytes = expectedBytes;
    this.#pool = pool;
    this.#scope = scope;
  }

  /** Whether the body lies in memory that the scope will give to other requests. */
  get pooled(): boolean {
    return this.#pooled;
  }

  /** Copies `bytes`. */
  add(bytes: Buffer): void {
    if (bytes.length === 0 || this.#scope.ended) return;
    this.#reserve(this.length + bytes.length).set(bytes, this.length);
    this.length += bytes.length;
  }

  /** The whole body, valid until the end of the scope. */
  take(): Buffer {
    return this.#buffer?.subarray(0, this.length) ?? EMPTY;
  }

  /** For the scope. */
  release(): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    if (this.#pooled && buffer !== undefined) this.#pool.give(buffer);
    this.#pooled = false;
  }

  #reserve(bytes: number): Buffer {
    const old = this.#buffer;
    if (old !== undefined && old.length >= bytes) return old;
    const hint = Math.min(this.#expectedBytes, MAX_FIRST_BYTES);
    const wanted = Math.max(bytes, hint, old === undefined ? 0 : old.length * 2);
    if (wanted < MIN_POOLED_BYTES) {
      const small = Buffer.allocUnsafe(wanted);
      old?.copy(small, 0, 0, this.length);
      this.#buffer = small;
      return small;
    }
    const buffer = this.#pool.take(wanted);
    old?.copy(buffer, 0, 0, this.length);
    if (!this.#pooled) this.#scope.own(this);
    else if (old !== undefined) this.#pool.give(old);
    this.#buffer = buffer;
    this.#pooled = true;
    return buffer;
  }
}
