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

/** Told when what waits crosses the marks. */
export interface HeldBodiesOwner {
  /** Alternates, beginning with true; false comes once half of the limit is left. */
  onHeldWatermark(above: boolean): void;
  /** Bytes that filter `k` may hold before the source is slowed down. */
  heldLimit(k: number): number;
}

/** What waits at the filters of one run, in one direction, and whether that is more than the source should go on with. */
export class HeldBodies {
  readonly #size: number;
  readonly #limitBytes: number;
  readonly #owner: HeldBodiesOwner;
  #held: (HeldBody | undefined)[] | undefined = undefined;
  #above = false;

  constructor(size: number, limitBytes: number, owner: HeldBodiesOwner) {
    this.#size = size;
    this.#limitBytes = limitBytes;
    this.#owner = owner;
  }

  /** Whether nothing was ever held. */
  get untouched(): boolean {
    return this.#held === undefined;
  }

  get(k: number): HeldBody | undefined {
    return this.#held?.[k];
  }

  /** The place of filter `k`, made on first use. */
  at(k: number): HeldBody {
    this.#held ??= new Array<HeldBody | undefined>(this.#size).fill(undefined);
    let held = this.#held[k];
    if (held === undefined) {
      held = new HeldBody();
      this.#held[k] = held;
    }
    return held;
  }

  hold(k: number, which: 'before' | 'after', piece: HeldPiece): void {
    const held = this.at(k);
    held.hold(held[which], piece);
    this.updateWatermark();
  }

  /** Forgets everything. */
  clear(): void {
    this.#held = undefined;
    this.updateWatermark();
  }

  updateWatermark(): void {
    // Until the low mark is reached, half of each limit counts as too much.
    const share = this.#above ? 0.5 : 1;
    const above = this.#exceeds(share);
    if (above === this.#above) return;
    this.#above = above;
    this.#owner.onHeldWatermark(above);
  }

  /** Whether all filters together hold more than this share of the limit, or one of them more than that of its own. */
  #exceeds(share: number): boolean {
    const list = this.#held;
    if (list === undefined) return false;
    let bytes = 0;
    for (let k = 0; k < list.length; k++) {
      const held = list[k]?.bytes ?? 0;
      if (held === 0) continue;
      if (held > this.#owner.heldLimit(k) * share) return true;
      bytes += held;
    }
    return bytes > this.#limitBytes * share;
  }
}
