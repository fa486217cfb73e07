import { z } from 'zod';
import { API_VERSION, definePolicy, type Policy, type Worker } from '../../../core/api/index.js';

/** Any candidate with equal chance. Stateless; `random` gives values in [0, 1). */
export class RandomPolicy implements Policy {
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  pick(candidates: readonly Worker[]): Worker {
    return candidates[Math.floor(this.#random() * candidates.length)] as Worker;
  }
}

export default definePolicy({
  type: 'random',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [],
  create: () => new RandomPolicy(),
});
