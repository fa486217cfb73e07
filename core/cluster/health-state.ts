import type { HealthCheckSettings } from './worker-spec.js';

/** First pause of a worker that went down, doubled with each failure, and the pause while a healthy one is in doubt, ms. */
const DOUBT_DELAY_MS = 1_000;
/** Longest pause while a worker is unhealthy, ms. */
const MAX_RECOVERY_DELAY_MS = 5_000;
/** Longest pause of a worker that has failed, ms: it keeps being probed for as long as it is configured. */
export const FAILED_PAUSE_MS = 30_000;

/** What probes decide about. */
export type ProbedHealth = 'pending' | 'healthy' | 'unhealthy' | 'failed';

/** An unhealthy worker whose probes have failed for so long has failed, ms: the time of three times as many as took it out. */
export function failedAfterMs({ unhealthyAfter, intervalMs }: HealthCheckSettings): number {
  return 3 * unhealthyAfter * intervalMs;
}

/**
 * Health of one worker as a function of probe results and request outcomes. Holds no timer: the checker asks when to
 * probe next.
 *
 * Pending becomes healthy with the first success; healthy becomes unhealthy with a failed probe that completes a run of
 * `unhealthyAfter` failures, requests that failed since the last success among them; unhealthy becomes failed when probes
 * have done nothing but fail for {@link failedAfterMs}. Either becomes healthy after `healthyAfter` successes in a row.
 * A failing request alone takes nobody out (it may be the request), it asks for a
 * probe.
 */
export class HealthState {
  health: ProbedHealth;
  #settings: HealthCheckSettings;
  #failures = 0;
  #requestFailures = 0;
  #successes = 0;
  #failingSinceMs = 0;
  #recoveryDelayMs = DOUBT_DELAY_MS;
  /** The next pause spreads this worker's probes away from those of the others. */
  #phaseDue = true;

  /** `health`: what is known of the worker from before. */
  constructor(settings: HealthCheckSettings, health: ProbedHealth = 'pending') {
    this.#settings = settings;
    this.health = health;
  }

  /** The last probe said something else than `health`: the next one decides. */
  get inQuestion(): boolean {
    return this.health === 'healthy' ? this.#failures > 0 : this.#successes > 0;
  }

  /** Thresholds and pauses from now on. */
  configure(settings: HealthCheckSettings): void {
    this.#settings = settings;
  }

  /** Result of one probe, at a monotonic time. True when `health` changed. */
  onProbe(ok: boolean, nowMs: number): boolean {
    return ok ? this.#onSuccess() : this.#onFailure(nowMs);
  }

  /** Outcome of one request. True when a probe should run now. */
  onOutcome(ok: boolean): boolean {
    if (ok) {
      this.#requestFailures = 0;
      return false;
    }
    this.#requestFailures += 1;
    return this.health === 'healthy';
  }

  /** Pause until the next probe of a worker that was up, ms. `random` is in [0, 1). `leastMs`: shortest pause of workers that are well. */
  nextDelayMs(random: number, leastMs = 0): number {
    const { intervalMs } = this.#settings;
    if (this.health !== 'healthy') {
      // A success on the way back is followed up soon, a failure later and later.
      if (this.#successes > 0) return Math.min(intervalMs, DOUBT_DELAY_MS);
      if (this.health === 'failed') return Math.min(intervalMs, FAILED_PAUSE_MS);
      return Math.min(intervalMs, MAX_RECOVERY_DELAY_MS, this.#recoveryDelayMs);
    }
    if (this.#failures > 0) return Math.min(intervalMs, DOUBT_DELAY_MS);
    const everyMs = Math.max(intervalMs, leastMs);
    if (this.#phaseDue) {
      this.#phaseDue = false;
      return everyMs * (0.1 + 0.9 * random);
    }
    return everyMs * (0.9 + 0.2 * random);
  }

  #onSuccess(): boolean {
    this.#failures = 0;
    this.#requestFailures = 0;
    this.#successes += 1;
    if (this.health === 'healthy') return false;
    if (this.health !== 'pending' && this.#successes < this.#settings.healthyAfter) return false;
    this.health = 'healthy';
    this.#phaseDue = true;
    return true;
  }

  #onFailure(nowMs: number): boolean {
    this.#successes = 0;
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    this.#failures += 1;
    if (this.health === 'unhealthy') {
      this.#recoveryDelayMs = Math.min(this.#recoveryDelayMs * 2, MAX_RECOVERY_DELAY_MS);
      if (nowMs - this.#failingSinceMs < failedAfterMs(this.#settings)) return false;
      this.health = 'failed';
      return true;
    }
    if (this.health !== 'healthy') return false;
    if (this.#failures + this.#requestFailures < this.#settings.unhealthyAfter) return false;
    this.health = 'unhealthy';
    this.#recoveryDelayMs = DOUBT_DELAY_MS;
    return true;
  }
}
