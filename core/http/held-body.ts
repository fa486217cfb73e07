import type { HeaderMap } from '../api/headers.js';
import type { Delta } from '../api/inference.js';

/** One piece of a body that waits at a filter; `end` when it closes the message. */
export interface HeldPiece {
  readonly bytes: Buffer | undefined;
  readonly framed: Buffer | undefined;
  readonly delta: Delta | undefined;
  readonly trailers: HeaderMap | undefined;
  readonly end: boolean;
}

/** What waits at one filter, in one direction. */
export class HeldBody {
  /** The filter has not seen these: everything was stopped at its headers. */
  before: HeldPiece[] = [];
  /** The filter has seen these and holds them back. */
  after: HeldPiece[] = [];
  /** It returned a stop for data and has not continued. */
  stopped = false;
  bytes = 0;

  get idle(): boolean {
    return !this.stopped && this.before.length === 0 && this.after.length === 0;
  }

  hold(list: HeldPiece[], piece: HeldPiece): void {
    list.push(piece);
    this.bytes += piece.bytes?.length ?? 0;
  }

  /** Empties one of the lists and gives what was in it. */
  take(which: 'before' | 'after'): HeldPiece[] {
    const pieces = this[which];
    if (pieces.length === 0) return pieces;
    this[which] = [];
    for (const piece of pieces) this.bytes -= piece.bytes?.length ?? 0;
    return pieces;
  }
}
