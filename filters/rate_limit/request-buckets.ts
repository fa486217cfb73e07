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

/**
 * Token buckets by key, full at first and filled continuously. A bucket is one number, the time at which it will be full
 * (the generic cell rate algorithm): what is owed is time, so a limit may change while its buckets live on. Kept in order
 * of use; full ones at the idle end are dropped as new requests come, and beyond `maxKeys` the one longest unused.
 */
export class RequestBuckets {
  readonly #fullAtMs = new Map<string, number>();
  readonly #onEvicted: () => void;
  #maxKeys = 1;

  /** `onEvicted`: a bucket that was not full had to go. */
  constructor(onEvicted: () => void) {
    this.#onEvicted = onEvicted;
  }

  /** Buckets that are kept: callers that have used something within the last while. */
  get size(): number {
    return this.#fullAtMs.size;
  }

  setMaxKeys(maxKeys: number): void {
    this.#maxKeys = maxKeys;
  }

  /** Time until this bucket has a request to give, ms; 0 now. Takes nothing. */
  waitMs(key: string, limit: RateLimit, nowMs: number): number {
    const owedMs = this.#owedMs(key, nowMs);
    const waitMs = owedMs + limit.intervalMs - limit.burst * limit.intervalMs;
    return waitMs <= limit.intervalMs * TOLERANCE ? 0 : waitMs;
  }

  /** Takes one request, which `waitMs` has said is there. */
  take(key: string, limit: RateLimit, nowMs: number): void {
    const fullAtMs = nowMs + this.#owedMs(key, nowMs) + limit.intervalMs;
    this.#fullAtMs.delete(key);
    this.#fullAtMs.set(key, fullAtMs);
    this.#sweep(nowMs);
  }

  stateOf(key: string, limit: RateLimit, nowMs: number): BucketState {
    const owedMs = this.#owedMs(key, nowMs);
    const remaining = Math.floor(limit.burst - owedMs / limit.intervalMs + TOLERANCE);
    return { remaining: Math.max(0, remaining), resetMs: owedMs };
  }

  #owedMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#fullAtMs.get(key) ?? 0) - nowMs);
  }

  #sweep(nowMs: number): void {
    let looked = 0;
    for (const [key, fullAtMs] of this.#fullAtMs) {
      const idle = fullAtMs <= nowMs;
      const tooMany = this.#fullAtMs.size > this.#maxKeys;
      if (!idle && !tooMany) return;
      this.#fullAtMs.delete(key);
      if (!idle) this.#onEvicted();
      if (++looked >= SWEEP_PER_TAKE && this.#fullAtMs.size <= this.#maxKeys) return;
    }
  }
}
