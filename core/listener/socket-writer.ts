import type { Socket } from 'node:net';
import { latin1Bytes } from '../http1/latin1.js';
import type { ConnectionHost } from './connection-host.js';
import { WRITE_HIGH_WATERMARK_BYTES } from './listener-limits.js';

/** Told when unsent bytes cross the marks; alternating, beginning with above. */
export interface WriteWatermarks {
  onAboveHighWatermark(): void;
  onBelowLowWatermark(): void;
}

/** Up to here one buffer is made of all pieces: cheaper than handing several to the kernel. */
const MERGE_MAX_BYTES = 8 * 1024;

/**
 * Collects what is written to a socket during one tick and hands it over in one call: head, size line, first bytes and
 * last chunk leave in one packet where they fit. Neighbouring views on the same memory (the chunks of one read from a
 * worker) become one view again.
 */
export class SocketWriter {
  /** True from the high mark (64 KiB unsent) until all is sent: the kernel's own buffer keeps the reader busy. */
  above = false;

  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #watermarks: WriteWatermarks;
  #pieces: (string | Buffer)[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(socket: Socket, host: ConnectionHost, watermarks: WriteWatermarks) {
    this.#socket = socket;
    this.#host = host;
    this.#watermarks = watermarks;
  }

  /** Bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Appends latin1 text. */
  writeText(text: string): void {
    const pieces = this.#pieces;
    const last = pieces.length - 1;
    if (last >= 0 && typeof pieces[last] === 'string') pieces[last] += text;
    else pieces.push(text);
    this.#added(text.length);
  }

  /** Appends bytes, which must not change until they are sent. */
  writeBytes(bytes: Buffer): void {
    const pieces = this.#pieces;
    const last = pieces[pieces.length - 1];
    if (
      typeof last === 'object' &&
      last.buffer === bytes.buffer &&
      last.byteOffset + last.length === bytes.byteOffset
    ) {
      pieces[pieces.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length);
    } else {
      pieces.push(bytes);
    }
    this.#added(bytes.length);
  }

  /** Hands over what was collected. */
  flush(): void {
    this.#scheduled = false;
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const total = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    const socket = this.#socket;
    if (!socket.writable) return;
    if (pieces.length === 1) {
      const piece = pieces[0] as string | Buffer;
      if (typeof piece === 'string') socket.write(piece, 'latin1');
      else socket.write(piece);
    } else if (total <= MERGE_MAX_BYTES) {
      socket.write(merge(pieces, total));
    } else {
      socket.cork();
      for (const piece of pieces) socket.write(typeof piece === 'string' ? latin1Bytes(piece) : piece);
      socket.uncork();
    }
    if (!this.above && socket.writableLength >= WRITE_HIGH_WATERMARK_BYTES) {
      this.above = true;
      this.#watermarks.onAboveHighWatermark();
    }
  }

  /** The socket's `drain` event. */
  onDrain(): void {
    if (!this.above || this.unsentBytes >= WRITE_HIGH_WATERMARK_BYTES) return;
    this.above = false;
    this.#watermarks.onBelowLowWatermark();
  }

  #added(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= WRITE_HIGH_WATERMARK_BYTES) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#host.flushLater(this);
    }
  }
}

function merge(pieces: (string | Buffer)[], total: number): Buffer {
  const merged = Buffer.allocUnsafe(total);
  let at = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') merged.latin1Write(piece, at, piece.length);
    else merged.set(piece, at);
    at += piece.length;
  }
  return merged;
}
