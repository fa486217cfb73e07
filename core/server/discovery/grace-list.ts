import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../api/clock.js';
import type { DiscoveredWorker } from '../../api/discovery.js';

interface Known {
  readonly worker: DiscoveredWorker;
  /** Monotonic time of the first list that lacked it; undefined while it is listed. */
  readonly missingSinceMs: number | undefined;
}

/**
 * The workers that a discovery wants, blips evened out: one that is missing from the list stays until it has been missing
 * for the whole grace. Keeps the order in which workers were first seen, so that a list that comes in another order each
 * time is the same list.
 */
export class GraceList {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #onExpired: () => void;
  /** By URL as the discovery spells it. */
  #known = new Map<string, Known>();
  #timer: Timer | undefined = undefined;

  /** `onExpired`: some workers have been missing for long enough and are gone from `workers`. */
  constructor(clock: Clock, graceMs: number, onExpired: () => void) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#onExpired = onExpired;
  }

  /** Wanted now, the missing ones included. */
  get workers(): readonly DiscoveredWorker[] {
    return Array.from(this.#known.values(), ({ worker }) => worker);
  }

  /** Takes the newest list; of two workers with one URL the first. Returns whether `workers` has changed. */
  update(list: readonly DiscoveredWorker[]): boolean {
    const before = this.workers;
    const nowMs = this.#clock.monotonicMs();
    const listed = new Map<string, DiscoveredWorker>();
    for (const worker of list) if (!listed.has(worker.url)) listed.set(worker.url, worker);
    const known = new Map<string, Known>();
    for (const [url, { worker, missingSinceMs }] of this.#known) {
      const newest = listed.get(url);
      if (newest !== undefined) known.set(url, { worker: newest, missingSinceMs: undefined });
      else known.set(url, { worker, missingSinceMs: missingSinceMs ?? nowMs });
    }
    for (const [url, worker] of listed) if (!known.has(url)) known.set(url, { worker, missingSinceMs: undefined });
    this.#known = known;
    this.#expire();
    return !isDeepStrictEqual(before, this.workers);
  }

  /** Ends it: nothing is called any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Drops those whose time is over and sets the timer of the next. Returns whether any was dropped. */
  #expire(): boolean {
    this.close();
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    let dropped = false;
    for (const [url, { missingSinceMs }] of this.#known) {
      if (missingSinceMs === undefined) continue;
      const leftMs = missingSinceMs + this.#graceMs - nowMs;
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs);
      else dropped = this.#known.delete(url);
    }
    if (nextMs !== Number.POSITIVE_INFINITY) {
      this.#timer = this.#clock.setTimer(nextMs, () => {
        if (this.#expire()) this.#onExpired();
      });
    }
    return dropped;
  }
}
