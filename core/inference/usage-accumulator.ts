import type { TokenUsage } from '../api/inference.js';

/** Merges what an answer says about its tokens in several places: the last value of each field wins. */
export class UsageAccumulator {
  #usage: TokenUsage | undefined = undefined;

  /** Undefined until something was added. */
  get usage(): TokenUsage | undefined {
    return this.#usage;
  }

  add(usage: TokenUsage): void {
    this.#usage = { ...this.#usage, ...usage };
  }
}
