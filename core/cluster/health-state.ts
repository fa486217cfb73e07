import type { HealthCheckSettings } from './worker-spec.js';

/** First pause before a worker that was never up is probed again, ms; doubles with each failure. */
const PENDING_DELAY_MS = 100;
/** First pause of a worker that went down, and the pause while a healthy one is in doubt, ms. */
const DOUBT_DELAY_MS = 1_000;
/** Longest pause while a worker is not healthy, ms: it keeps being probed for as long as it is configured. */
const MAX_RECOVERY_DELAY_MS = 5_000;

/** What probes decide about. */
export type ProbedHealth = 'pending' | 'healthy' | 'unhealthy';

/**
 * Health of one worker as a function of probe results and request outcomes. Holds no timer: the checker asks when to
 * probe next.
 *
 * Pending becomes healthy with the first success; healthy becomes unhealthy with a failed probe that completes a run of
 * `unhealthyAfter` failures, requests that failed since the last success among them; unhealthy becomes healthy after
 * `healthyAfter` successes in a row. A failing request alone takes nobody out (it may be the request), it asks for a
 * probe.
 */
export class HealthState {
  health: ProbedHealth;
  #settings: HealthCheckSettings;
  #failures = 0;
  #requestFailures = 0;
  #successes = 0;
  #recoveryDelayMs = PENDING_DELAY_MS;
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

  /** Result of one probe. True when `health` changed. */
  onProbe(ok: boolean): boolean {
    return ok ? this.#onSuccess() : this.#onFailure();
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

  /** Pause until the next probe, ms. `random` is in [0, 1). `leastMs`: shortest pause of workers that are well. */
  nextDelayMs(random: number, leastMs = 0): number {
    const { intervalMs } = this.#settings;
    if (this.health !== 'healthy') {
      // A success on the way back is followed up soon, a failure later and later.
      if (this.#successes > 0) return Math.min(intervalMs, DOUBT_DELAY_MS);
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
    if (this.health === 'unhealthy' && this.#successes < this.#settings.healthyAfter) return false;
    this.health = 'healthy';
    this.#phaseDue = true;
    return true;
  }

  #onFailure(): boolean {
    this.#successes = 0;
    this.#failures += 1;
    if (this.health !== 'healthy') {
      this.#recoveryDelayMs = Math.min(this.#recoveryDelayMs * 2, MAX_RECOVERY_DELAY_MS);
      return false;
    }
    if (this.#failures + this.#requestFailures < this.#settings.unhealthyAfter) return false;
    this.health = 'unhealthy';
    this.#recoveryDelayMs = DOUBT_DELAY_MS;
    return true;
  }
}
