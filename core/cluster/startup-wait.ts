import { FAILED_PAUSE_MS } from './health-state.js';
import type { StartupSettings } from './worker-spec.js';

/** Pause after the first check that fails, ms; doubles with each further one. */
const FIRST_PAUSE_MS = 200;
/** Longest pause where the settings state none, ms. */
const DEFAULT_CHECK_EVERY_MS = 5_000;

/**
 * How long, and how often, a worker that has not come up yet is waited for. Over, it counts as failed and is checked at a
 * slow pace, for ever. Holds no timer: the checker asks when to check next. Times are monotonic.
 */
export class StartupWait {
  readonly #settings: StartupSettings;
  readonly #endMs: number;
  #pauseMs = FIRST_PAUSE_MS;

  /** Begins now. */
  constructor(settings: StartupSettings, nowMs: number) {
    this.#settings = settings;
    this.#endMs = nowMs + settings.timeoutMs;
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#endMs;
  }

  /** Pause after a check that failed, ms. `intervalMs`: between two probes of a healthy worker. */
  nextPauseMs(nowMs: number, intervalMs: number): number {
    if (this.isOver(nowMs)) return Math.min(intervalMs, FAILED_PAUSE_MS);
    const longestMs = this.#settings.checkEveryMs ?? Math.min(intervalMs, DEFAULT_CHECK_EVERY_MS);
    const pauseMs = Math.min(this.#pauseMs, longestMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestMs);
    return this.cutPause(pauseMs, nowMs);
  }

  /** The same pause, no longer than the wait goes on: its end is seen by a last check. */
  cutPause(pauseMs: number, nowMs: number): number {
    return this.isOver(nowMs) ? pauseMs : Math.min(pauseMs, Math.ceil(this.#endMs - nowMs));
  }
}
