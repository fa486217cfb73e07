const BUCKETS_PER_OCTAVE = 64;
const OCTAVES = 28;

/** Counts durations in buckets 1.1 % wide, from 1 µs to 268 s: constant memory, nothing to sort afterwards. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS_PER_OCTAVE * OCTAVES);
  #total = 0;

  /** Durations below 1 µs count as 1 µs, longer ones than the range as its end. */
  recordUs(durationUs: number): void {
    const index = durationUs <= 1 ? 0 : Math.floor(Math.log2(durationUs) * BUCKETS_PER_OCTAVE);
    const bucket = Math.min(index, this.#counts.length - 1);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total++;
  }

  /** Duration below which the share `quantile` (0 to 1) of all records lies; 0 when there is none. */
  quantileUs(quantile: number): number {
    if (this.#total === 0) return 0;
    const wanted = Math.max(1, Math.ceil(quantile * this.#total));
    let seen = 0;
    let bucket = 0;
    for (; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= wanted) break;
    }
    return 2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE);
  }
}
