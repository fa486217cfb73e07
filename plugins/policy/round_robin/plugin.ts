import * as z from 'zod';
import { API_VERSION, definePolicy, type Policy, type Worker } from '../../../core/api/index.js';
import { cumulativeShares } from '../shares.js';

/** Position in one list of candidates. */
interface Cursor {
  next: number;
  /** Undefined where all shares are equal. */
  readonly turns: WeightedTurns | undefined;
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
  #lastCursor: Cursor = { next: 0, turns: undefined };
  #lastPicked: Worker | undefined = undefined;

  pick(candidates: readonly Worker[]): Worker {
    const cursor = candidates === this.#lastList ? this.#lastCursor : this.#cursorOf(candidates);
    const inTurn = cursor.next < candidates.length ? cursor.next : 0;
    const index = cursor.turns === undefined ? inTurn : cursor.turns.take();
    cursor.next = index + 1;
    const worker = candidates[index] as Worker;
    this.#lastPicked = worker;
    return worker;
  }

  #cursorOf(candidates: readonly Worker[]): Cursor {
    let cursor = this.#cursors.get(candidates);
    if (cursor === undefined) {
      const next = this.#positionAfterLastPicked(candidates);
      const turns = cumulativeShares(candidates) === undefined ? undefined : new WeightedTurns(candidates);
      cursor = { next, turns };
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

/** Smooth weighted round robin over one list of candidates, whose shares are those of the list for its life. */
class WeightedTurns {
  readonly #shares: Float64Array;
  /** What each candidate has saved up towards its next turn. */
  readonly #credits: Float64Array;
  readonly #sum: number;

  constructor(candidates: readonly Worker[]) {
    this.#shares = Float64Array.from(candidates, (worker) => worker.share);
    this.#credits = new Float64Array(candidates.length);
    this.#sum = this.#shares.reduce((sum, share) => sum + share, 0);
  }

  /** Index of the candidate whose turn it is. */
  take(): number {
    const shares = this.#shares;
    const credits = this.#credits;
    let richest = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < credits.length; i++) {
      const credit = (credits[i] as number) + (shares[i] as number);
      credits[i] = credit;
      if (credit > most) {
        most = credit;
        richest = i;
      }
    }
    credits[richest] = most - this.#sum;
    return richest;
  }
}

export default definePolicy({
  type: 'round_robin',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [],
  create: () => new RoundRobinPolicy(),
});
