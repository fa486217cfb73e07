import { BugError, GatewayError } from '../api/errors.js';
import { BodyData, FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus } from '../api/filter.js';
import type { HeaderMap, ResponseHeaders, ResponseKind } from '../api/headers.js';
import type { Delta } from '../api/inference.js';
import { SseEventFrame, SseSplitter } from '../inference/sse-codec.js';
import type { FilterManager } from './filter-manager.js';
import { HeldBodies, type HeldBodiesOwner, type HeldBody, type HeldPiece } from './held-body.js';

const EMPTY = Buffer.alloc(0);

/** A response whose bytes may be cut into events: an uncompressed event stream. */
export function isEventStream(headers: ResponseHeaders): boolean {
  const type = headers.get('content-type');
  return type?.startsWith('text/event-stream') === true && !headers.has('content-encoding');
}

/**
 * The way up of one run: the mirror of {@link DecoderPath}, from the filter that answers to the first, then out to the
 * manager's sink. One body is either bytes (cut into events where a filter wants them) or deltas.
 */
export class EncoderPath implements HeldBodiesOwner {
  readonly #manager: FilterManager;
  /** True once a response has entered, held or not. */
  started = false;
  headers: ResponseHeaders | undefined = undefined;
  /** Kind of the body where it enters; the filter that renders changes that of the headers, not this. */
  #kind: ResponseKind = 'bytes';
  #headersEnd = false;
  #headersHeldAt = -1;
  #allHeld = false;
  readonly #held: HeldBodies;
  #splitter: SseSplitter | undefined = undefined;
  readonly #data = new BodyData(EMPTY, undefined);

  constructor(manager: FilterManager) {
    this.#manager = manager;
    this.#held = new HeldBodies(manager.filters.length, manager.watermarkBytes, this);
  }

  heldLimit(k: number): number {
    return this.#manager.callbacksOf(k).bufferLimit;
  }

  onHeldWatermark(above: boolean): void {
    if (above) this.#manager.onAboveWriteBufferHighWatermark();
    else this.#manager.onBelowWriteBufferLowWatermark();
  }

  /** `index`: the first filter to see it; counts down. */
  encodeHeaders(index: number, headers: ResponseHeaders, endStream: boolean): void {
    if (this.started) throw new BugError('encodeHeaders: the response has already begun');
    this.started = true;
    this.headers = headers;
    this.#kind = headers.kind;
    this.#headersEnd = endStream;
    if (this.#manager.plan.wantsEvents && !endStream && headers.kind === 'bytes' && isEventStream(headers)) {
      this.#splitter = new SseSplitter();
    }
    this.#headersFrom(index);
  }

  #headersFrom(index: number): void {
    const { filters, plan } = this.#manager;
    const headers = this.headers as ResponseHeaders;
    for (const k of plan.encodeHeaders) {
      if (k > index) continue;
      // biome-ignore lint/style/noNonNullAssertion: the plan lists only filters that have the callback
      const status = filters[k]!.encodeHeaders!(headers, this.#headersEnd);
      if (this.#manager.stopped) return;
      if (status === FilterHeadersStatus.Continue) continue;
      this.#headersHeldAt = k;
      this.#allHeld = status === FilterHeadersStatus.StopAllIterationAndWatermark;
      return;
    }
    this.#manager.emitHeaders(headers, this.#headersEnd);
  }

  #releaseHeaders(index: number): void {
    this.#headersHeldAt = -1;
    this.#allHeld = false;
    this.#headersFrom(index - 1);
  }

  /** Bytes from the filter that answers. */
  encodeData(index: number, bytes: Buffer, end: boolean, framed: Buffer | undefined): void {
    if (this.#splitter === undefined) {
      this.#bytesFrom(index, bytes, end, framed);
      return;
    }
    const whole = this.#splitter.rest().length === 0;
    this.#splitter.push(bytes, (event) => {
      if (this.#manager.stopped) return;
      const same = whole && event.raw.length === bytes.length;
      this.#eventFrom(index, event, same ? framed : undefined);
    });
    if (!end || this.#manager.stopped) return;
    this.#finishEvents(index, this.#splitter);
    if (!this.#manager.stopped) this.#bytesFrom(index, this.#splitter.rest(), true, undefined);
  }

  /** A last frame that only waited to see whether its line end has a second half. */
  #finishEvents(index: number, splitter: SseSplitter): void {
    splitter.finish((event) => {
      if (!this.#manager.stopped) this.#eventFrom(index, event, undefined);
    });
  }

  #eventFrom(index: number, event: SseEventFrame, framed: Buffer | undefined): void {
    const { filters } = this.#manager;
    let frame = event;
    for (let k = index; k >= 0; k--) {
      const filter = filters[k];
      if (filter?.encodeEvent === undefined || this.#waitsAt(k)) {
        const next = this.#bytesAt(k, frame.bytes, false, frame.bytes === event.raw ? framed : undefined);
        if (next === undefined) return;
        if (next !== frame.bytes) frame = new SseEventFrame(next);
        continue;
      }
      const status = filter.encodeEvent(frame);
      if (this.#manager.stopped) return;
      if (status === FilterDataStatus.Continue) {
        this.#proceed(k);
        if (this.#manager.stopped) return;
        continue;
      }
      if (status !== FilterDataStatus.StopIterationNoBuffer) this.#stopAt(k, frame.bytes, false, status);
      return;
    }
    this.#data.bytes = frame.bytes;
    this.#data.framed = frame.bytes === event.raw ? framed : undefined;
    this.#manager.emitData(this.#data, false);
  }

  #bytesFrom(index: number, bytes: Buffer, end: boolean, framed: Buffer | undefined): void {
    const { plan } = this.#manager;
    let current = bytes;
    if (this.#held.untouched && this.#headersHeldAt < 0) {
      for (const k of plan.encodeBytes) {
        if (k > index) continue;
        const next = this.#bytesAt(k, current, end, current === bytes ? framed : undefined);
        if (next === undefined) return;
        current = next;
      }
    } else {
      for (let k = index; k >= 0; k--) {
        const next = this.#bytesAt(k, current, end, current === bytes ? framed : undefined);
        if (next === undefined) return;
        current = next;
      }
    }
    this.#data.bytes = current;
    this.#data.framed = current === bytes ? framed : undefined;
    this.#manager.emitData(this.#data, end);
  }

  /** Bytes at one filter: what goes on, or undefined when they stop here. */
  #bytesAt(k: number, bytes: Buffer, end: boolean, framed: Buffer | undefined): Buffer | undefined {
    const filter = this.#manager.filters[k];
    if (this.#waitsAt(k)) {
      this.#held.hold(k, 'before', { bytes, framed, delta: undefined, trailers: undefined, end });
      return undefined;
    }
    if (filter?.encodeData === undefined) {
      const held = this.#held.get(k);
      if (this.#headersHeldAt !== k && (held === undefined || held.idle)) return bytes;
      this.#held.hold(k, 'after', { bytes, framed, delta: undefined, trailers: undefined, end });
      return undefined;
    }
    this.#data.bytes = bytes;
    this.#data.framed = framed;
    const status = filter.encodeData(this.#data, end);
    if (this.#manager.stopped) return undefined;
    const next = this.#data.bytes;
    if (status === FilterDataStatus.Continue) {
      this.#proceed(k);
      return this.#manager.stopped ? undefined : next;
    }
    if (status !== FilterDataStatus.StopIterationNoBuffer) this.#stopAt(k, next, end, status);
    return undefined;
  }

  encodeDelta(index: number, delta: Delta, end: boolean): void {
    if (this.#kind !== 'deltas') throw new BugError('encodeDelta: this response is made of bytes');
    const { filters } = this.#manager;
    const piece: HeldPiece = { bytes: undefined, framed: undefined, delta, trailers: undefined, end };
    for (let k = index; k >= 0; k--) {
      if (this.#waitsAt(k)) {
        this.#held.hold(k, 'before', piece);
        return;
      }
      const filter = filters[k];
      if (filter?.encodeDelta === undefined) {
        const held = this.#held.get(k);
        if (this.#headersHeldAt !== k && (held === undefined || held.idle)) continue;
        this.#held.hold(k, 'after', piece);
        return;
      }
      const status = filter.encodeDelta(delta, end);
      if (this.#manager.stopped) return;
      if (status === FilterDataStatus.StopIterationNoBuffer) return;
      if (status !== FilterDataStatus.Continue) {
        this.#held.hold(k, 'after', piece);
        this.#held.at(k).stopped = true;
        return;
      }
      this.#proceed(k);
      if (this.#manager.stopped) return;
    }
    this.#manager.emitDelta(delta, end);
  }

  encodeTrailers(index: number, trailers: HeaderMap): void {
    if (this.#splitter !== undefined) {
      this.#finishEvents(index, this.#splitter);
      if (this.#manager.stopped) return;
      const rest = this.#splitter.rest();
      this.#splitter = undefined;
      if (rest.length > 0) this.#bytesFrom(index, rest, false, undefined);
      if (this.#manager.stopped) return;
    }
    const { filters } = this.#manager;
    const piece: HeldPiece = { bytes: undefined, framed: undefined, delta: undefined, trailers, end: true };
    for (let k = index; k >= 0; k--) {
      if (this.#waitsAt(k)) {
        this.#held.hold(k, 'before', piece);
        return;
      }
      const filter = filters[k];
      if (filter?.encodeTrailers === undefined) {
        const held = this.#held.get(k);
        if (this.#headersHeldAt !== k && (held === undefined || held.idle)) continue;
        this.#held.hold(k, 'after', piece);
        return;
      }
      const status = filter.encodeTrailers(trailers);
      if (this.#manager.stopped) return;
      if (status === FilterTrailersStatus.StopIteration) {
        this.#held.hold(k, 'after', piece);
        this.#held.at(k).stopped = true;
        return;
      }
      this.#proceed(k);
      if (this.#manager.stopped) return;
    }
    this.#manager.emitTrailers(trailers);
  }

  continueEncoding(k: number): void {
    const held = this.#held.get(k);
    const headersHere = this.#headersHeldAt === k;
    if (!headersHere && (held === undefined || held.idle)) {
      throw new BugError('continueEncoding: nothing is stopped at this filter');
    }
    if (headersHere) this.#releaseHeaders(k);
    if (held === undefined) return;
    held.stopped = false;
    for (const piece of held.take('before')) {
      if (this.#manager.stopped) return;
      this.#deliver(k, piece);
    }
    if (!held.stopped) this.#flushAfter(k, held);
    this.#held.updateWatermark();
  }

  /** Generated by filter `k`: passes those above it, behind what it holds. Releases its headers if they wait. */
  inject(k: number, bytes: Buffer | undefined, delta: Delta | undefined, end: boolean): void {
    if (this.#headersHeldAt === k) this.#releaseHeaders(k);
    if (this.#manager.stopped) return;
    if (delta !== undefined) this.encodeDelta(k - 1, delta, end);
    else if (bytes !== undefined) this.#injectBytes(k - 1, bytes, end);
  }

  /** Injected bytes of an event stream are whole frames; they are cut for the filters above that want events. */
  #injectBytes(index: number, bytes: Buffer, end: boolean): void {
    const headers = this.headers as ResponseHeaders;
    if (!this.#manager.plan.wantsEvents || !isEventStream(headers)) {
      this.#bytesFrom(index, bytes, end, undefined);
      return;
    }
    const splitter = new SseSplitter();
    splitter.push(bytes, (event) => {
      if (!this.#manager.stopped) this.#eventFrom(index, event, undefined);
    });
    const rest = splitter.rest();
    if (!this.#manager.stopped && (end || rest.length > 0)) this.#bytesFrom(index, rest, end, undefined);
  }

  /** After a `Continue` for data: what this filter held goes first. */
  #proceed(k: number): void {
    if (this.#headersHeldAt === k) this.#releaseHeaders(k);
    const held = this.#held.get(k);
    if (held === undefined || this.#manager.stopped) return;
    held.stopped = false;
    this.#flushAfter(k, held);
    this.#held.updateWatermark();
  }

  #flushAfter(k: number, held: HeldBody): void {
    for (const piece of held.take('after')) {
      if (this.#manager.stopped) return;
      this.#deliver(k - 1, piece);
    }
  }

  #deliver(index: number, piece: HeldPiece): void {
    if (piece.delta !== undefined) this.encodeDelta(index, piece.delta, piece.end);
    else if (piece.trailers !== undefined) this.encodeTrailers(index, piece.trailers);
    else if (this.#splitter !== undefined && !piece.end)
      this.#eventFrom(index, new SseEventFrame(piece.bytes as Buffer), piece.framed);
    else this.#bytesFrom(index, piece.bytes as Buffer, piece.end, piece.framed);
  }

  /** Whether everything stops before filter `k` sees it. */
  #waitsAt(k: number): boolean {
    if (this.#headersHeldAt === k && this.#allHeld) return true;
    const held = this.#held.get(k);
    return held !== undefined && held.before.length > 0;
  }

  #stopAt(k: number, bytes: Buffer, end: boolean, status: FilterDataStatus): void {
    this.#held.hold(k, 'after', { bytes, framed: undefined, delta: undefined, trailers: undefined, end });
    const held = this.#held.at(k);
    held.stopped = true;
    if (status !== FilterDataStatus.StopIterationAndBuffer) return;
    if (held.bytes <= this.#manager.callbacksOf(k).bufferLimit) return;
    this.#manager.sendLocalReply(
      new GatewayError('internal', 'The response is larger than a filter may hold', {
        details: 'response_buffer_limit',
      }),
    );
  }
}
