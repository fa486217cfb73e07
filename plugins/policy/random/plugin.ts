import * as z from 'zod';
import { API_VERSION, definePolicy, type Policy, type Worker } from '../../../core/api/index.js';
import { cumulativeShares } from '../shares.js';

/**
 * Any candidate, with a chance in proportion to its share. `random` gives values in [0, 1). State: the added up shares of
 * lists in which they differ, forgotten with the list.
 */
export class RandomPolicy implements Policy {
  readonly #random: () => number;
  readonly #shares = new WeakMap<readonly Worker[], readonly number[] | null>();

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  pick(candidates: readonly Worker[]): Worker {
    let shares = this.#shares.get(candidates);
    if (shares === undefined) {
      shares = cumulativeShares(candidates) ?? null;
      this.#shares.set(candidates, shares);
    }
    const random = this.#random();
    if (shares === null) return candidates[Math.floor(random * candidates.length)] as Worker;
    return candidates[firstAbove(shares, random * (shares.at(-1) as number))] as Worker;
  }
}

/** Index of the first of ascending numbers that is greater than `value`; the last number is. */
function firstAbove(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

export default definePolicy({
  type: 'random',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [],
  create: () => new RandomPolicy(),
});
