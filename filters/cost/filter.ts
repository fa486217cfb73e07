import {
  type BodyData,
  type Delta,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  formatNanos,
  type ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { CostLedger } from './cost-ledger.js';

/** What the answer cost, in units of the currency. */
const HEADER = 'x-smg-cost';
/** An answer that is larger goes out without the header. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;

/** What the streams of one generation share. */
export interface CostShared {
  readonly ledger: CostLedger;
  /** Answers that are not streamed say what they cost. */
  readonly header: boolean;
}

/**
 * Has the tokens of a request counted, by every worker that it is tried at, and says at its end what they cost. For the
 * header the answer is held until it is whole: only then the counts are known.
 */
export class CostFilter implements StreamFilter {
  readonly #shared: CostShared;
  readonly #callbacks: StreamFilterCallbacks;
  /** Of an answer whose cost goes into them; undefined for all others. */
  #headers: ResponseHeaders | undefined = undefined;
  #held: Buffer[] | undefined = undefined;
  #heldBytes = 0;

  constructor(shared: CostShared, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(): FilterHeadersStatus {
    this.#callbacks.streamInfo.needsUsage = true;
    return FilterHeadersStatus.Continue;
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    // Not another gateway's.
    headers.delete(HEADER);
    const { inference } = this.#callbacks.streamInfo;
    if (!this.#shared.header || endStream || headers.status !== 200 || inference?.stream !== false) {
      return FilterHeadersStatus.Continue;
    }
    this.#headers = headers;
    // Deltas are collected above, and the head with them.
    if (headers.kind === 'deltas') return FilterHeadersStatus.Continue;
    this.#held = [];
    return FilterHeadersStatus.StopIteration;
  }

  encodeData(data: BodyData, endStream: boolean): FilterDataStatus {
    const held = this.#held;
    if (held === undefined) return FilterDataStatus.Continue;
    if (endStream) this.#addHeader();
    else if (this.#heldBytes + data.bytes.length <= MAX_HELD_BYTES) {
      held.push(data.bytes);
      this.#heldBytes += data.bytes.length;
      return FilterDataStatus.StopIterationNoBuffer;
    }
    this.#held = undefined;
    if (held.length === 0) return FilterDataStatus.Continue;
    this.#callbacks.injectEncodedData(Buffer.concat([...held, data.bytes]), endStream);
    return FilterDataStatus.StopIterationNoBuffer;
  }

  encodeDelta(_delta: Delta, endStream: boolean): FilterDataStatus {
    if (endStream) this.#addHeader();
    return FilterDataStatus.Continue;
  }

  encodeTrailers(): FilterTrailersStatus {
    const held = this.#held;
    if (held === undefined) return FilterTrailersStatus.Continue;
    this.#held = undefined;
    this.#addHeader();
    this.#callbacks.injectEncodedData(Buffer.concat(held), false);
    return FilterTrailersStatus.Continue;
  }

  onStreamComplete(): void {
    const { streamInfo } = this.#callbacks;
    streamInfo.cost = this.#shared.ledger.settle(streamInfo);
  }

  #addHeader(): void {
    const cost = this.#shared.ledger.costOf(this.#callbacks.streamInfo);
    if (cost !== undefined) this.#headers?.set(HEADER, formatNanos(cost.nanos));
  }
}
