/** Blocks that entered the prefix cache, in chain order. */
export interface KvStored {
  readonly kind: 'stored';
  /** Hash of the block before the first one; 0 at the beginning of a prompt. */
  readonly parentHash: number;
  readonly hashes: readonly number[];
  /** Token ids of each block, `blockSize` of them. */
  readonly tokenIds: readonly Uint32Array[];
}

/** Blocks that were evicted. Blocks behind them may stay: they are unreachable until these are computed again. */
export interface KvRemoved {
  readonly kind: 'removed';
  readonly hashes: readonly number[];
}

/** Everything that no request holds was dropped; blocks in use are announced as stored again, right after. */
export interface KvCleared {
  readonly kind: 'cleared';
}

export type KvEvent = KvStored | KvRemoved | KvCleared;

/** What one scheduler step did to the prefix cache. */
export interface KvEventBatch {
  /** Rises by one per batch, from 1. */
  readonly sequence: number;
  /** Time of the scheduler's clock, ms. */
  readonly atMs: number;
  readonly events: readonly KvEvent[];
}

/** Batches kept for subscribers that come late. */
export const KV_EVENT_BUFFER_BATCHES = 4_096;

/**
 * The observable list of a prefix cache's changes: a bounded replay buffer and one live listener. A subscriber reads
 * {@link KvEventLog.since} first, then listens.
 */
export class KvEventLog {
  /** Called with each new batch, at once. The subscriber sets it. */
  onBatch: ((batch: KvEventBatch) => void) | undefined;
  readonly #capacity: number;
  readonly #ring: KvEventBatch[] = [];
  #open: KvEvent[] = [];
  #sequence = 0;

  /** `capacity`: batches kept, default {@link KV_EVENT_BUFFER_BATCHES}. */
  constructor(capacity = KV_EVENT_BUFFER_BATCHES) {
    this.onBatch = undefined;
    this.#capacity = capacity;
  }

  /** Sequence number of the newest batch; 0 before the first. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** Batches after `sequence`, oldest first; undefined when some of them are no longer kept. */
  since(sequence: number): readonly KvEventBatch[] | undefined {
    const missing = this.#sequence - sequence;
    if (missing > this.#ring.length) return undefined;
    const batches: KvEventBatch[] = [];
    for (let next = sequence + 1; next <= this.#sequence; next++) {
      batches.push(this.#ring[(next - 1) % this.#capacity] as KvEventBatch);
    }
    return batches;
  }

  /** Adds a removed or cleared event to the batch that is being collected. */
  record(event: KvRemoved | KvCleared): void {
    this.#open.push(event);
  }

  /** Adds one stored block; consecutive blocks of one chain become one event. */
  recordStored(parentHash: number, hash: number, tokenIds: Uint32Array): void {
    const last = this.#open.at(-1);
    if (last?.kind === 'stored' && last.hashes.at(-1) === parentHash) {
      (last.hashes as number[]).push(hash);
      (last.tokenIds as Uint32Array[]).push(tokenIds);
      return;
    }
    this.#open.push({ kind: 'stored', parentHash, hashes: [hash], tokenIds: [tokenIds] });
  }

  /** Publishes what was collected since the last call; does nothing when that is nothing. */
  flush(atMs: number): void {
    if (this.#open.length === 0) return;
    this.#sequence += 1;
    const batch: KvEventBatch = { sequence: this.#sequence, atMs, events: this.#open };
    this.#open = [];
    this.#ring[(this.#sequence - 1) % this.#capacity] = batch;
    this.onBatch?.(batch);
  }
}
