import { z } from 'zod';
import { API_VERSION, definePolicy, type Policy, type Worker } from '../../../core/api/index.js';

/** Position in one list of candidates. */
interface Cursor {
  next: number;
}

/**
 * Takes the candidates in turn. Every list of candidates has its own cursor, so two models that are asked for in
 * alternation both spread evenly. A list that was not seen before (membership changed, a worker went away, a retry left
 * some out) goes on after the worker that was picked last, so a change neither restarts the round nor favours the first.
 *
 * State: one integer per list that the gateway still holds; forgotten with the list.
 */
export class RoundRobinPolicy implements Policy {
  readonly #cursors = new WeakMap<readonly Worker[], Cursor>();
  #lastList: readonly Worker[] | undefined = undefined;
  #lastCursor: Cursor = { next: 0 };
  #lastPicked: Worker | undefined = undefined;

  pick(candidates: readonly Worker[]): Worker {
    const cursor = candidates === this.#lastList ? this.#lastCursor : this.#cursorOf(candidates);
    const index = cursor.next < candidates.length ? cursor.next : 0;
    cursor.next = index + 1;
    const worker = candidates[index] as Worker;
    this.#lastPicked = worker;
    return worker;
  }

  #cursorOf(candidates: readonly Worker[]): Cursor {
    let cursor = this.#cursors.get(candidates);
    if (cursor === undefined) {
      cursor = { next: this.#positionAfterLastPicked(candidates) };
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

export default definePolicy({
  type: 'round_robin',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [],
  create: () => new RoundRobinPolicy(),
});
