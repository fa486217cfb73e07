import { createToken, type InjectionToken } from './injection.js';

/** A timer that was set; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Time, as a service, so that tests and simulations run on their own. */
export interface Clock {
  /** Wall clock, ms since 1970. For logs and dates, never for durations. */
  nowMs(): number;
  /** Monotonic, ms with fraction. For durations. */
  monotonicMs(): number;
  /** Runs `callback` once after at least `delayMs`. Never keeps the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /**
   * The same, but up to `COARSE_TICK_MS` late and an order of magnitude cheaper: all coarse timers share one. For
   * deadlines that almost never fire (idle and first-byte limits).
   */
  setCoarseTimer(delayMs: number, callback: () => void): Timer;
}

/** Resolution of coarse timers, ms. */
export const COARSE_TICK_MS = 50;

export const Clock: InjectionToken<Clock> = createToken('Clock');
