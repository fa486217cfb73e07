import { closeSync, openSync, write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Counter } from '../api/stats.js';

/** Where lines go. Each ends with a line feed. */
export interface LogSink {
  write(line: string): void;
  /** The same for a line that is known to be ASCII; copies it three times faster. */
  writeAscii(line: string): void;
}

/** Lines are collected to this many bytes … */
const BATCH_BYTES = 64 * 1024;
/** … or this long, then written at once: a write per line costs ten times the line. */
const FLUSH_INTERVAL_MS = 100;
/** Up to here a batch is copied out, so that a quiet gateway does not make a new one every time. */
const SMALL_BATCH_BYTES = 8 * 1024;
/** Beyond this, lines are dropped and counted: a reader that hangs must not take the gateway with it. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** A full pipe is tried again after this long, at exit at most so many times. */
const RETRY_DELAY_MS = 20;
const EXIT_RETRIES = 25;

/**
 * A file, pipe or terminal that lines are written to in batches, never waiting for the reader. A terminal gets each line
 * at once. What waits is written when the process exits, except for what a stuck reader does not take.
 */
export class LogDestination implements LogSink {
  readonly isTerminal: boolean;
  readonly #fd: number;
  readonly #opened: boolean;
  readonly #dropped: Counter | undefined;
  #batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #used = 0;
  /** Full batches, oldest first; the first one is being written while `#writing`. */
  readonly #queue: Buffer[] = [];
  #waitingBytes = 0;
  #writing = false;
  #failed = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined = undefined;
  readonly #idle: (() => void)[] = [];
  readonly #flushOnExit = (): void => this.flush();
  readonly #onTimer = (): void => this.#handOver();

  /** `target`: descriptor or path (appended to); a path that cannot be opened throws. */
  constructor(target: number | string, dropped: Counter | undefined) {
    this.#opened = typeof target === 'string';
    this.#fd = typeof target === 'string' ? openSync(target, 'a') : target;
    this.isTerminal = isatty(this.#fd);
    this.#dropped = dropped;
    process.on('exit', this.#flushOnExit);
  }

  write(line: string): void {
    if (!this.#makeRoom(line.length * 3)) return;
    this.#used += this.#batch.write(line, this.#used, 'utf8');
    this.#schedule();
  }

  writeAscii(line: string): void {
    if (!this.#makeRoom(line.length)) return;
    this.#used += this.#batch.latin1Write(line, this.#used);
    this.#schedule();
  }

  /** Writes what waits, synchronously; gives up on a reader that does not take it within half a second. */
  flush(): void {
    this.#takeBatch();
    // What is being written now is the kernel's; writing it again could repeat lines.
    const rest = this.#queue.splice(this.#writing ? 1 : 0);
    for (const batch of rest) {
      this.#waitingBytes -= batch.length;
      if (!this.#failed) this.#writeSync(batch);
    }
  }

  /** Writes what waits and closes a file that was opened here. Nothing may be written afterwards. */
  async close(): Promise<void> {
    process.off('exit', this.#flushOnExit);
    this.#handOver();
    // Not one line more: the descriptor may soon be somebody else's.
    this.#closed = true;
    if (this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    if (this.#opened) closeSync(this.#fd);
  }

  /** Makes `bytes` fit into the batch; false when the line must be dropped. */
  #makeRoom(bytes: number): boolean {
    if (this.#closed) return false;
    if (this.#used + bytes <= this.#batch.length) return true;
    this.#takeBatch();
    this.#writeNext();
    if (this.#failed || this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      this.#dropped?.inc();
      return false;
    }
    if (bytes > this.#batch.length) this.#batch = Buffer.allocUnsafeSlow(bytes);
    return true;
  }

  #schedule(): void {
    if (this.isTerminal) this.#handOver();
    else this.#timer ??= setTimeout(this.#onTimer, FLUSH_INTERVAL_MS).unref();
  }

  #handOver(): void {
    this.#takeBatch();
    this.#writeNext();
  }

  /** Moves the batch to the queue. */
  #takeBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#used === 0) return;
    this.#waitingBytes += this.#used;
    if (this.#used <= SMALL_BATCH_BYTES) {
      this.#queue.push(Buffer.from(this.#batch.subarray(0, this.#used)));
    } else {
      this.#queue.push(this.#batch.subarray(0, this.#used));
      this.#batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
    }
    this.#used = 0;
  }

  #writeNext(): void {
    if (this.#writing) return;
    const batch = this.#queue[0];
    if (batch === undefined) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#writing = true;
    write(this.#fd, batch, 0, batch.length, null, (error, written) => this.#onWritten(error, written));
  }

  #onWritten(error: NodeJS.ErrnoException | null, written: number): void {
    if (error?.code === 'EAGAIN') {
      setTimeout(() => {
        this.#writing = false;
        this.#writeNext();
      }, RETRY_DELAY_MS).unref();
      return;
    }
    this.#writing = false;
    if (error !== null) {
      // Nobody reads any more (EPIPE), or the disk is full: there is no place left to report it but the counter.
      this.#failed = error.code === 'EPIPE';
      this.#dropped?.inc(this.#queue.length);
      this.#queue.length = 0;
      this.#waitingBytes = 0;
    } else {
      const batch = this.#queue[0] as Buffer;
      this.#waitingBytes -= written;
      if (written < batch.length) this.#queue[0] = batch.subarray(written);
      else this.#queue.shift();
    }
    this.#writeNext();
  }

  #writeSync(batch: Buffer): void {
    let rest = batch;
    for (let attempt = 0; rest.length > 0 && attempt < EXIT_RETRIES; ) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        attempt++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_DELAY_MS);
      }
    }
  }
}
