import * as z from 'zod';
import { API_VERSION, definePolicy, type Policy, type Worker } from '../../../core/api/index.js';

/**
 * Draws two different candidates and takes the one with fewer requests in flight through this gateway for its share;
 * equal, the one with the larger share; equal again, the one drawn first. Stateless; `random` gives values in [0, 1).
 *
 * Two draws keep the longest queue short without the herd that "always the least loaded" makes of stale numbers.
 */
export class PowerOfTwoPolicy implements Policy {
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  pick(candidates: readonly Worker[]): Worker {
    const count = candidates.length;
    if (count === 1) return candidates[0] as Worker;
    const i = Math.floor(this.#random() * count);
    const j = (i + 1 + Math.floor(this.#random() * (count - 1))) % count;
    const first = candidates[i] as Worker;
    const second = candidates[j] as Worker;
    const firstLoad = first.inFlight * second.share;
    const secondLoad = second.inFlight * first.share;
    if (firstLoad !== secondLoad) return firstLoad < secondLoad ? first : second;
    return second.share > first.share ? second : first;
  }
}

export default definePolicy({
  type: 'power_of_two',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [],
  create: () => new PowerOfTwoPolicy(),
});
