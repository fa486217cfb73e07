import { BugError } from '../../../core/api/errors.js';
import type { KvEventLog } from './kv-events.js';

/** A full block that requests share: found by the hash of all tokens from the prompt's start to its end. */
export interface KvBlock {
  /** Chain hash, a safe integer below 2⁵²; never 0. */
  readonly hash: number;
  /** Chain hash of the block before; 0 for the first. */
  readonly parentHash: number;
  /** Kept only where events are recorded. */
  readonly tokenIds: Uint32Array | undefined;
  /** Requests that hold it. At 0 it is idle: still a cache hit, but may be evicted. */
  refs: number;
  /** Neighbours in the idle list, oldest first; undefined while held. */
  older: KvBlock | undefined;
  newer: KvBlock | undefined;
}

export interface KvCacheOptions {
  /** Blocks in all. */
  readonly blocks: number;
  /** Tokens per block. */
  readonly blockSize: number;
  /** Share of blocks above which idle ones are evicted. Default 0.92. */
  readonly highWatermark?: number;
  /** Share down to which they are evicted then. Default 0.85. */
  readonly lowWatermark?: number;
  /** False: nothing is ever found in the cache. Default true. */
  readonly prefixCache?: boolean;
  /** Receives what is stored and removed; absent costs nothing. */
  readonly events?: KvEventLog;
}

/**
 * KV memory of one engine in blocks: private ones (being filled, of one request) and shared full ones, which stay as
 * prefix cache after their requests ended, evicted least recently used first. Every operation is O(1) per block.
 */
export class KvCache {
  readonly capacity: number;
  readonly blockSize: number;
  readonly #highBlocks: number;
  readonly #lowBlocks: number;
  readonly #prefixCache: boolean;
  readonly #events: KvEventLog | undefined;
  readonly #shared = new Map<number, KvBlock>();
  /** Ring of idle blocks: `newer` of the sentinel is the oldest. */
  readonly #idle: KvBlock;
  #idleCount = 0;
  #privateCount = 0;

  constructor(options: KvCacheOptions) {
    this.capacity = options.blocks;
    this.blockSize = options.blockSize;
    this.#highBlocks = Math.floor(options.blocks * (options.highWatermark ?? 0.92));
    this.#lowBlocks = Math.floor(options.blocks * (options.lowWatermark ?? 0.85));
    this.#prefixCache = options.prefixCache ?? true;
    this.#events = options.events;
    const sentinel: KvBlock = {
      hash: 0,
      parentHash: 0,
      tokenIds: undefined,
      refs: 1,
      older: undefined,
      newer: undefined,
    };
    sentinel.older = sentinel;
    sentinel.newer = sentinel;
    this.#idle = sentinel;
  }

  /** Blocks that requests hold now: 0 when the engine is idle. */
  get usedBlocks(): number {
    return this.#privateCount + this.#shared.size - this.#idleCount;
  }

  /** Idle blocks: prefix cache that nobody uses at the moment. */
  get idleBlocks(): number {
    return this.#idleCount;
  }

  /** Blocks that could be allocated now, evicting idle ones if need be. */
  get availableBlocks(): number {
    return this.capacity - this.usedBlocks;
  }

  /** The shared block of that chain hash, neither held nor touched by this call. */
  find(hash: number): KvBlock | undefined {
    return this.#prefixCache ? this.#shared.get(hash) : undefined;
  }

  /** Holds a shared block once more. */
  acquire(block: KvBlock): void {
    if (block.refs === 0) this.#unlinkIdle(block);
    block.refs += 1;
  }

  /** Gives a hold back. Release a chain from its end: then its end is evicted first, too. */
  release(block: KvBlock): void {
    if (block.refs < 1) throw new BugError('A KV block was released more often than it was acquired');
    block.refs -= 1;
    if (block.refs > 0) return;
    if (this.#prefixCache) this.#linkNewest(block);
    else this.#forget(block);
  }

  /** Takes private blocks, evicting idle ones as needed; false, and nothing taken, when there are not enough. */
  allocate(count: number): boolean {
    const missing = count - (this.capacity - this.#privateCount - this.#shared.size);
    if (missing > this.#idleCount) return false;
    if (missing > 0) this.#evict(missing);
    this.#privateCount += count;
    return true;
  }

  /** Gives private blocks back. */
  free(count: number): void {
    if (count > this.#privateCount) throw new BugError('More private KV blocks were freed than allocated');
    this.#privateCount -= count;
  }

  /**
   * Turns one private block, now full, into a shared one that the caller holds. If another request has computed the
   * same block meanwhile, that one is shared and the private one freed. `tokenIds` is asked only when someone listens.
   */
  share(hash: number, parentHash: number, tokenIds: () => Uint32Array): KvBlock {
    const existing = this.#shared.get(hash);
    this.free(1);
    if (existing !== undefined) {
      this.acquire(existing);
      return existing;
    }
    const ids = this.#events === undefined ? undefined : tokenIds();
    const block: KvBlock = { hash, parentHash, tokenIds: ids, refs: 1, older: undefined, newer: undefined };
    this.#shared.set(hash, block);
    if (ids !== undefined) this.#events?.recordStored(parentHash, hash, ids);
    return block;
  }

  /** Evicts idle blocks down to the low watermark when the high one is passed. Once per step. */
  evictAboveWatermark(): void {
    const occupied = this.#privateCount + this.#shared.size;
    if (occupied <= this.#highBlocks) return;
    const count = Math.min(this.#idleCount, occupied - this.#lowBlocks);
    if (count > 0) this.#evict(count);
  }

  /** Drops every idle block. Blocks in use stay, and are announced once more so that listeners keep them. */
  clear(): void {
    for (let block = this.#idle.newer as KvBlock; block !== this.#idle; block = this.#idle.newer as KvBlock) {
      this.#unlinkIdle(block);
      this.#shared.delete(block.hash);
    }
    if (this.#events === undefined) return;
    this.#events.record({ kind: 'cleared' });
    for (const block of this.#shared.values()) {
      if (block.tokenIds !== undefined) this.#events.recordStored(block.parentHash, block.hash, block.tokenIds);
    }
  }

  #forget(block: KvBlock): void {
    this.#shared.delete(block.hash);
    this.#events?.record({ kind: 'removed', hashes: [block.hash] });
  }

  #evict(count: number): void {
    const removed: number[] | undefined = this.#events === undefined ? undefined : [];
    for (let i = 0; i < count; i++) {
      const oldest = this.#idle.newer as KvBlock;
      this.#unlinkIdle(oldest);
      this.#shared.delete(oldest.hash);
      removed?.push(oldest.hash);
    }
    if (removed !== undefined) this.#events?.record({ kind: 'removed', hashes: removed });
  }

  #linkNewest(block: KvBlock): void {
    const sentinel = this.#idle;
    const newest = sentinel.older as KvBlock;
    block.older = newest;
    block.newer = sentinel;
    newest.newer = block;
    sentinel.older = block;
    this.#idleCount += 1;
  }

  #unlinkIdle(block: KvBlock): void {
    (block.older as KvBlock).newer = block.newer;
    (block.newer as KvBlock).older = block.older;
    block.older = undefined;
    block.newer = undefined;
    this.#idleCount -= 1;
  }
}

const LOW_WORD = 0x1_0000_0000;

/**
 * Hash of a chain that ends with `count` token ids from `start`, given the hash of the chain before them (0: none).
 * 52 bits in a safe integer: an FNV-1a pair of different multipliers, mixed at the end.
 */
export function extendChainHash(parentHash: number, ids: ArrayLike<number>, start: number, count: number): number {
  let low = (0x811c9dc5 ^ (parentHash % LOW_WORD)) | 0;
  let high = (0x9e3779b9 ^ Math.floor(parentHash / LOW_WORD)) | 0;
  for (let i = start; i < start + count; i++) {
    const id = ids[i] as number;
    low = Math.imul(low ^ id, 0x01000193);
    low ^= low >>> 15;
    high = Math.imul(high ^ (id + 0x7f4a7c15), 0x85ebca6b);
    high ^= high >>> 13;
  }
  const hash = (high >>> 12) * LOW_WORD + (low >>> 0);
  return hash === 0 ? 1 : hash;
}
