/** A rate with its burst. */
export interface RateLimit {
  /** Requests that may come at once: the capacity of the bucket. At least 1. */
  readonly burst: number;
  /** Time in which one request is earned back, ms. */
  readonly intervalMs: number;
}

/** State of one bucket for one limit. */
export interface BucketState {
  /** Whole requests that may still come now. */
  readonly remaining: number;
  /** Time until the bucket is full, ms. */
  readonly resetMs: number;
}

/** Shares of a request that rounding may cost. */
const TOLERANCE = 1e-6;
/** Idle buckets that are looked at per request. Two, so that more go than can come. */
const SWEEP_PER_TAKE = 2;

/** One bucket, linked in order of use. */
interface Bucket {
  readonly key: string;
  /** Monotonic time at which it will be full. */
  fullAtMs: number;
  older: Bucket | undefined;
  newer: Bucket | undefined;
}

/**
 * Token buckets by key, full at first and filled continuously. A bucket is one number, the time at which it will be full
 * (the generic cell rate algorithm): what is owed is time, so a limit may change while its buckets live on. Kept in order
 * of use; full ones at the idle end are dropped as new requests come, and beyond `maxKeys` the one longest unused.
 *
 * The order is a list of its own: that of a Map costs 80 µs a request at 100,000 keys, because finding its first key
 * walks over everything that was moved away from there.
 */
export class RequestBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #onEvicted: () => void;
  #oldest: Bucket | undefined = undefined;
  #newest: Bucket | undefined = undefined;
  #maxKeys = 1;

  /** `onEvicted`: a bucket that was not full had to go. */
  constructor(onEvicted: () => void) {
    this.#onEvicted = onEvicted;
  }

  /** Buckets that are kept: callers that have used something within the last while. */
  get size(): number {
    return this.#buckets.size;
  }

  setMaxKeys(maxKeys: number): void {
    this.#maxKeys = maxKeys;
  }

  /** Time until this bucket has a request to give, ms; 0 now. Takes nothing. */
  waitMs(key: string, limit: RateLimit, nowMs: number): number {
    const waitMs = this.#owedMs(key, nowMs) + limit.intervalMs - limit.burst * limit.intervalMs;
    return waitMs <= limit.intervalMs * TOLERANCE ? 0 : waitMs;
  }

  /** Takes one request, which `waitMs` has said is there. */
  take(key: string, limit: RateLimit, nowMs: number): void {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { key, fullAtMs: nowMs, older: undefined, newer: undefined };
      this.#buckets.set(key, bucket);
    } else {
      this.#unlink(bucket);
    }
    bucket.fullAtMs = Math.max(bucket.fullAtMs, nowMs) + limit.intervalMs;
    bucket.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = bucket;
    else this.#newest.newer = bucket;
    this.#newest = bucket;
    this.#sweep(nowMs);
  }

  stateOf(key: string, limit: RateLimit, nowMs: number): BucketState {
    const owedMs = this.#owedMs(key, nowMs);
    const remaining = Math.floor(limit.burst - owedMs / limit.intervalMs + TOLERANCE);
    return { remaining: Math.max(0, remaining), resetMs: owedMs };
  }

  #owedMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#buckets.get(key)?.fullAtMs ?? 0) - nowMs);
  }

  #unlink(bucket: Bucket): void {
    if (bucket.older === undefined) this.#oldest = bucket.newer;
    else bucket.older.newer = bucket.newer;
    if (bucket.newer === undefined) this.#newest = bucket.older;
    else bucket.newer.older = bucket.older;
    bucket.older = undefined;
    bucket.newer = undefined;
  }

  #sweep(nowMs: number): void {
    for (let looked = 0; ; looked++) {
      const bucket = this.#oldest;
      const tooMany = this.#buckets.size > this.#maxKeys;
      if (bucket === undefined || (!tooMany && (looked >= SWEEP_PER_TAKE || bucket.fullAtMs > nowMs))) return;
      this.#unlink(bucket);
      this.#buckets.delete(bucket.key);
      if (bucket.fullAtMs > nowMs) this.#onEvicted();
    }
  }
}
