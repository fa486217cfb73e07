import type { Clock, Timer } from '../api/clock.js';

interface FakeTimer extends Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. Timers fire in order of their due time, then of their setting. */
export class FakeClock implements Clock {
  #nowMs: number;
  #order = 0;
  #timers: FakeTimer[] = [];

  /** `startMs`: monotonic and wall time at the beginning. */
  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: FakeTimer = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
    this.#timers.push(timer);
    return timer;
  }

  setCoarseTimer(delayMs: number, callback: () => void): Timer {
    return this.setTimer(delayMs, callback);
  }

  /** Timers that are set; a test that ends with any has leaked one. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Moves time on and runs what falls due, timers that those set included. */
  advance(ms: number): void {
    const targetMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueMs <= targetMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.cancel();
      next.callback();
    }
    this.#nowMs = targetMs;
  }
}
