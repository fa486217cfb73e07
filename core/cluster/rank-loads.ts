/**
 * Requests in flight per data-parallel rank of one engine. The engine is one worker with one health and one set of
 * connections; which of its ranks computes a request is decided here, and told to it with the request.
 */
export class RankLoads {
  readonly #loads: number[];
  /** Where the search begins, so that idle ranks take turns. */
  #next = 0;

  /** `size`: number of ranks, at least 2. */
  constructor(size: number) {
    this.#loads = new Array<number>(size).fill(0);
  }

  get size(): number {
    return this.#loads.length;
  }

  /** Counts a request in on the rank with the fewest. */
  acquire(): number {
    const loads = this.#loads;
    let rank = this.#next;
    for (let i = 1; i < loads.length; i++) {
      const candidate = (this.#next + i) % loads.length;
      if ((loads[candidate] as number) < (loads[rank] as number)) rank = candidate;
    }
    this.#next = (rank + 1) % loads.length;
    loads[rank] = (loads[rank] as number) + 1;
    return rank;
  }

  release(rank: number): void {
    this.#loads[rank] = (this.#loads[rank] as number) - 1;
  }
}
