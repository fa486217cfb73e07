import { BugError, GatewayError } from '../api/errors.js';
import { BodyData, FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus } from '../api/filter.js';
import type { HeaderMap, RequestHeaders } from '../api/headers.js';
import type { InferenceRequest } from '../api/inference.js';
import type { FilterManager } from './filter-manager.js';
import { HeldBodies, type HeldBodiesOwner, type HeldBody, type HeldPiece } from './held-body.js';

const EMPTY = Buffer.alloc(0);

/**
 * The way down of one run. Headers wait in at most one place; bytes may wait at several filters, each with its own
 * list. Whatever is released re-enters by the same rules, so order holds under any schedule of stops and continues.
 */
export class DecoderPath implements HeldBodiesOwner {
  readonly #manager: FilterManager;
  headers: RequestHeaders | undefined = undefined;
  #headersEnd = false;
  /** Filter that holds the headers, or -1. */
  #headersHeldAt = -1;
  /** It holds everything, not only the headers. */
  #allHeld = false;
  #request: InferenceRequest | undefined = undefined;
  /** Filter that holds the request, or -1. */
  #requestHeldAt = -1;
  /** The holder has not been called with it. */
  #requestUnseen = false;
  readonly #held: HeldBodies;
  readonly #data = new BodyData(EMPTY, undefined);

  constructor(manager: FilterManager) {
    this.#manager = manager;
    this.#held = new HeldBodies(manager.filters.length, manager.watermarkBytes, this);
  }

  heldLimit(k: number): number {
    return this.#manager.callbacksOf(k).bufferLimit;
  }

  onHeldWatermark(above: boolean): void {
    this.#manager.readDisable(above);
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.headers = headers;
    this.#headersEnd = endStream;
    this.#headersFrom(0);
  }

  /** Down to where they are held, or to the end; what is decided on the way is decided as they come there. */
  #headersFrom(index: number): void {
    const manager = this.#manager;
    let from = index;
    for (;;) {
      const until = manager.nextDecision;
      if (!this.#headersBetween(from, until) || !manager.decide(this.headers as RequestHeaders)) return;
      from = until;
    }
  }

  /** False when they are held, or the way down is over. */
  #headersBetween(from: number, until: number): boolean {
    const { filters, plan } = this.#manager;
    for (const k of plan.decodeHeaders) {
      if (k < from) continue;
      if (k >= until) break;
      // biome-ignore lint/style/noNonNullAssertion: the plan lists only filters that have the callback
      const status = filters[k]!.decodeHeaders!(this.headers as RequestHeaders, this.#headersEnd);
      if (this.#manager.halted) return false;
      if (status === FilterHeadersStatus.Continue) continue;
      this.#headersHeldAt = k;
      this.#allHeld = status === FilterHeadersStatus.StopAllIterationAndWatermark;
      return false;
    }
    return true;
  }

  /** Lets headers that wait at `index` go on. */
  #releaseHeaders(index: number): void {
    this.#headersHeldAt = -1;
    this.#allHeld = false;
    this.#headersFrom(index + 1);
  }

  decodeData(index: number, bytes: Buffer, end: boolean): void {
    const { filters } = this.#manager;
    let current = bytes;
    for (let k = index; k < filters.length; k++) {
      const held = this.#held.get(k);
      if ((this.#headersHeldAt === k && this.#allHeld) || (held !== undefined && held.before.length > 0)) {
        this.#held.hold(k, 'before', heldCopy(current, end));
        return;
      }
      const filter = filters[k];
      if (filter?.decodeData === undefined) {
        if (this.#headersHeldAt !== k && (held === undefined || held.idle)) continue;
        this.#held.hold(k, 'after', heldCopy(current, end));
        return;
      }
      this.#data.bytes = current;
      const status = filter.decodeData(this.#data, end);
      if (this.#manager.halted) return;
      current = this.#data.bytes;
      if (status === FilterDataStatus.Continue) {
        this.#proceed(k);
        if (this.#manager.halted) return;
        continue;
      }
      if (status === FilterDataStatus.StopIterationNoBuffer) return;
      this.#held.hold(k, 'after', heldCopy(current, end));
      this.#held.at(k).stopped = true;
      if (status === FilterDataStatus.StopIterationAndBuffer) this.#checkBufferLimit(k);
      return;
    }
  }

  /** After a `Continue` for data: what this filter held goes first. */
  #proceed(k: number): void {
    if (this.#headersHeldAt === k) this.#releaseHeaders(k);
    const held = this.#held.get(k);
    if (held === undefined) return;
    held.stopped = false;
    for (const piece of held.take('after')) {
      if (this.#manager.halted) return;
      this.#deliver(k + 1, piece);
    }
    this.#held.updateWatermark();
  }

  decodeTrailers(index: number, trailers: HeaderMap): void {
    const { filters } = this.#manager;
    const piece: HeldPiece = { bytes: undefined, framed: undefined, delta: undefined, trailers, end: true };
    for (let k = index; k < filters.length; k++) {
      const held = this.#held.get(k);
      if ((this.#headersHeldAt === k && this.#allHeld) || (held !== undefined && held.before.length > 0)) {
        this.#held.hold(k, 'before', piece);
        return;
      }
      const filter = filters[k];
      if (filter?.decodeTrailers === undefined) {
        if (this.#headersHeldAt !== k && (held === undefined || held.idle)) continue;
        this.#held.hold(k, 'after', piece);
        return;
      }
      const status = filter.decodeTrailers(trailers);
      if (this.#manager.halted) return;
      if (status === FilterTrailersStatus.StopIteration) {
        this.#held.hold(k, 'after', piece);
        this.#held.at(k).stopped = true;
        return;
      }
      this.#proceed(k);
      if (this.#manager.halted) return;
    }
  }

  /** The body has become a request: from filter `index` on, headers and request go down, bytes no more. */
  continueWithRequest(index: number, request: InferenceRequest): void {
    if (this.#headersHeldAt !== index - 1)
      throw new BugError('continueWithRequest: this filter does not hold the headers');
    this.#held.clear();
    this.#headersEnd = false;
    this.#releaseHeaders(index - 1);
    if (!this.#manager.halted) this.decodeRequest(index, request);
  }

  decodeRequest(index: number, request: InferenceRequest): void {
    this.#request = request;
    const { filters } = this.#manager;
    for (let k = index; k < filters.length; k++) {
      const filter = filters[k];
      const headersHere = this.#headersHeldAt === k;
      if (headersHere && (this.#allHeld || filter?.decodeRequest === undefined)) {
        this.#requestHeldAt = k;
        this.#requestUnseen = this.#allHeld;
        return;
      }
      if (filter?.decodeRequest === undefined) continue;
      const status = filter.decodeRequest(request);
      if (this.#manager.halted) return;
      if (status === FilterTrailersStatus.StopIteration) {
        this.#requestHeldAt = k;
        this.#requestUnseen = false;
        return;
      }
      if (headersHere) {
        this.#releaseHeaders(k);
        if (this.#manager.halted) return;
      }
    }
  }

  continueDecoding(k: number): void {
    const held = this.#held.get(k);
    const headersHere = this.#headersHeldAt === k;
    const requestHere = this.#requestHeldAt === k;
    if (!headersHere && !requestHere && (held === undefined || held.idle)) {
      throw new BugError('continueDecoding: nothing is stopped at this filter');
    }
    if (headersHere) this.#releaseHeaders(k);
    if (held !== undefined) {
      held.stopped = false;
      this.#redeliver(k, held);
    }
    if (requestHere && !this.#manager.halted) {
      this.#requestHeldAt = -1;
      this.decodeRequest(this.#requestUnseen ? k : k + 1, this.#request as InferenceRequest);
    }
  }

  #redeliver(k: number, held: HeldBody): void {
    for (const piece of held.take('before')) {
      if (this.#manager.halted) return;
      this.#deliver(k, piece);
    }
    if (!held.stopped) {
      for (const piece of held.take('after')) {
        if (this.#manager.halted) return;
        this.#deliver(k + 1, piece);
      }
    }
    this.#held.updateWatermark();
  }

  #deliver(index: number, piece: HeldPiece): void {
    if (piece.trailers !== undefined) this.decodeTrailers(index, piece.trailers);
    else this.decodeData(index, piece.bytes as Buffer, piece.end);
  }

  #checkBufferLimit(k: number): void {
    const limit = this.#manager.callbacksOf(k).bufferLimit;
    if (this.#held.at(k).bytes <= limit) return;
    this.#manager.sendLocalReply(
      new GatewayError('request_body_too_large', `The request body is larger than ${limit} bytes`),
    );
  }
}

/** The listener uses its memory again as soon as the call returns. */
function heldCopy(bytes: Buffer, end: boolean): HeldPiece {
  return { bytes: Buffer.from(bytes), framed: undefined, delta: undefined, trailers: undefined, end };
}
