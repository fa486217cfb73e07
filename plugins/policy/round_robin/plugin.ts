import * as z from 'zod';
import { API_VERSION, definePolicy, type Policy, type Worker } from '../../../core/api/index.js';
import { cumulativeShares } from '../shares.js';

/** Position in one list of candidates. */
interface Cursor {
  next: number;
  /** What each candidate has saved up towards its next turn; undefined where all shares are equal. */
  readonly credits: Float64Array | undefined;
}

/**
 * Takes the candidates in turn; where their shares differ, as often as these say and as evenly spaced as can be (every
 * candidate earns its share with each pick, the richest is taken and pays for all). Every list of candidates has its own cursor, so two models that are asked for in
 * alternation both spread evenly. A list that was not seen before (membership changed, a worker went away, a retry left
 * some out) goes on after the worker that was picked last, so a change neither restarts the round nor favours the first.
 *
 * State: one integer per list that the gateway still holds, or a number per candidate; forgotten with the list.
 */
export class RoundRobinPolicy implements Policy {
  readonly #cursors = new WeakMap<readonly Worker[], Cursor>();
  #lastList: readonly Worker[] | undefined = undefined;
  #lastCursor: Cursor = { next: 0, credits: undefined };
  #lastPicked: Worker | undefined = undefined;

  pick(candidates: readonly Worker[]): Worker {
    const cursor = candidates === this.#lastList ? this.#lastCursor : this.#cursorOf(candidates);
    const { credits } = cursor;
    const inTurn = cursor.next < candidates.length ? cursor.next : 0;
    const index = credits === undefined ? inTurn : takeRichest(candidates, credits);
    cursor.next = index + 1;
    const worker = candidates[index] as Worker;
    this.#lastPicked = worker;
    return worker;
  }

  #cursorOf(candidates: readonly Worker[]): Cursor {
    let cursor = this.#cursors.get(candidates);
    if (cursor === undefined) {
      const next = this.#positionAfterLastPicked(candidates);
      const equal = cumulativeShares(candidates) === undefined;
      cursor = { next, credits: equal ? undefined : new Float64Array(candidates.length) };
      this.#cursors.set(candidates, cursor);
    }
    this.#lastList = candidates;
    this.#lastCursor = cursor;
    return cursor;
  }

  /** A worker that is no longer there was at about the place where its list's cursor stood. */
  #positionAfterLastPicked(candidates: readonly Worker[]): number {
    if (this.#lastPicked === undefined) return 0;
    const index = candidates.indexOf(this.#lastPicked);
    return index < 0 ? Math.max(this.#lastCursor.next - 1, 0) % candidates.length : index + 1;
  }
}

/** One step of smooth weighted round robin; changes `credits`. */
function takeRichest(candidates: readonly Worker[], credits: Float64Array): number {
  let richest = 0;
  let sum = 0;
  for (let i = 0; i < candidates.length; i++) {
    const { share } = candidates[i] as Worker;
    sum += share;
    credits[i] = (credits[i] as number) + share;
    if ((credits[i] as number) > (credits[richest] as number)) richest = i;
  }
  credits[richest] = (credits[richest] as number) - sum;
  return richest;
}

export default definePolicy({
  type: 'round_robin',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [],
  create: () => new RoundRobinPolicy(),
});
