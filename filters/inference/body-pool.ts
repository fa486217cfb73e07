/** From here on Node gives each Buffer memory of its own; smaller ones share. */
export const MIN_POOLED_BYTES = 4 * 1024;
/** Larger bodies are rare and cost more to read than to allocate. */
const MAX_POOLED_BYTES = 1024 * 1024;
/** What is kept while nobody needs it. */
const MAX_IDLE_BYTES = 8 * 1024 * 1024;
/** A closed socket may still be reading the memory of an overlapped write there. */
const REUSES = process.platform !== 'win32';

/**
 * Memory for request bodies, used again from one request to the next. V8 counts every fresh Buffer as pressure and
 * answers a few hundred large ones with a collection of the whole heap: a third of the work at 128 KiB a body.
 *
 * Sizes are powers of two. Whoever takes a buffer gives it back once, after the last reader; then its bytes are
 * somebody else's.
 */
export class BodyPool {
  /** Idle buffers by size class. */
  readonly #idle: Buffer[][] = [];
  #idleBytes = 0;

  /** Bytes held for later. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** At least `bytes` long, with whatever was in it before. */
  take(bytes: number): Buffer {
    if (bytes > MAX_POOLED_BYTES) return Buffer.allocUnsafeSlow(bytes);
    const sizeClass = classOf(bytes);
    const idle = this.#idle[sizeClass]?.pop();
    if (idle === undefined) return Buffer.allocUnsafeSlow(MIN_POOLED_BYTES << sizeClass);
    this.#idleBytes -= idle.length;
    return idle;
  }

  /** Takes back what {@link BodyPool.take} gave. */
  give(buffer: Buffer): void {
    if (!REUSES || buffer.length > MAX_POOLED_BYTES || this.#idleBytes + buffer.length > MAX_IDLE_BYTES) return;
    const sizeClass = classOf(buffer.length);
    this.#idle[sizeClass] ??= [];
    this.#idle[sizeClass].push(buffer);
    this.#idleBytes += buffer.length;
  }
}

/** 0 for the smallest buffers, one more for each doubling. */
function classOf(bytes: number): number {
  return bytes <= MIN_POOLED_BYTES ? 0 : 32 - Math.clz32((bytes - 1) >>> Math.log2(MIN_POOLED_BYTES));
}
