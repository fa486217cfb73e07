import type { EngineLoad } from '../api/worker.js';

/** What is even among ranks: requests in flight, or tokens that are still to be worked on. */
export type RankScheduler = 'min_requests' | 'min_tokens';

/**
 * Load per data-parallel rank of one engine. The engine is one worker with one health and one set of connections; which of
 * its ranks computes a request is decided here, and told to it with the request.
 *
 * Tokens of a rank are the estimated prompts of our requests in flight there, and what its engine last reported beyond
 * those: tokens in memory and prompts that wait, of others or longer than estimated.
 */
export class RankLoads {
  readonly scheduler: RankScheduler;
  readonly #loads: number[];
  readonly #tokens: number[];
  /** Reported beyond our own. */
  readonly #foreign: number[];
  /** Where the search begins, so that idle ranks take turns. */
  #next = 0;

  /** `size`: number of ranks, at least 2. */
  constructor(size: number, scheduler: RankScheduler = 'min_requests') {
    this.scheduler = scheduler;
    this.#loads = new Array<number>(size).fill(0);
    this.#tokens = new Array<number>(size).fill(0);
    this.#foreign = new Array<number>(size).fill(0);
  }

  get size(): number {
    return this.#loads.length;
  }

  /** Counts a request of so many prompt tokens in on the rank with the least. */
  acquire(promptTokens: number): number {
    const loads = this.#loads;
    let rank = this.#next;
    for (let i = 1; i < loads.length; i++) {
      const candidate = (this.#next + i) % loads.length;
      if (this.#hasLess(candidate, rank)) rank = candidate;
    }
    this.#next = (rank + 1) % loads.length;
    loads[rank] = (loads[rank] as number) + 1;
    this.#tokens[rank] = (this.#tokens[rank] as number) + promptTokens;
    return rank;
  }

  /** `promptTokens`: as they were counted in. */
  release(rank: number, promptTokens: number): void {
    this.#loads[rank] = (this.#loads[rank] as number) - 1;
    this.#tokens[rank] = (this.#tokens[rank] as number) - promptTokens;
  }

  /** The last report of the engine; undefined when there is none any more. A rank that it does not tell of has nothing. */
  observe(load: EngineLoad | undefined): void {
    this.#foreign.fill(0);
    for (const { dpRank, numUsedTokens, numWaitingUncachedTokens, maxTotalNumTokens } of load?.ranks ?? []) {
      const own = this.#tokens[dpRank];
      if (own === undefined || !((maxTotalNumTokens ?? 0) > 0)) continue;
      const reported = (numUsedTokens ?? 0) + (numWaitingUncachedTokens ?? 0);
      this.#foreign[dpRank] = Math.max(reported - own, 0);
    }
  }

  #hasLess(left: number, right: number): boolean {
    if (this.scheduler === 'min_tokens') {
      const difference = this.#tokensOf(left) - this.#tokensOf(right);
      if (difference !== 0) return difference < 0;
    }
    return (this.#loads[left] as number) < (this.#loads[right] as number);
  }

  #tokensOf(rank: number): number {
    return (this.#tokens[rank] as number) + (this.#foreign[rank] as number);
  }
}
