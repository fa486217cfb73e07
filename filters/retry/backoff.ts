/** Settings of {@link Backoff}; all checked by the schema. */
export interface BackoffSettings {
  readonly initialMs: number;
  /** Longest wait before jitter. At least `initialMs`. */
  readonly maxMs: number;
  /** Growth per wait, at least 1. */
  readonly factor: number;
  /** Share by which a wait may be shorter or longer, 0 to 1. */
  readonly jitter: number;
}

/** How long to wait before a worker is tried again: exponential, capped, then spread so that clients do not march in step. */
export class Backoff {
  readonly maxMs: number;
  readonly #settings: BackoffSettings;
  readonly #random: () => number;

  /** `random` gives values in [0, 1). */
  constructor(settings: BackoffSettings, random: () => number = Math.random) {
    this.maxMs = settings.maxMs;
    this.#settings = settings;
    this.#random = random;
  }

  /** Milliseconds of the wait number `count` of one request, counted from 0. */
  delayMs(count: number): number {
    const { initialMs, maxMs, factor, jitter } = this.#settings;
    const plain = Math.min(Math.floor(initialMs * factor ** count), maxMs);
    return Math.max(0, plain + Math.round(plain * jitter * (2 * this.#random() - 1)));
  }
}
