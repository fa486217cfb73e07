/** Length of the window that counts as recent, in slots of one second. */
export const BUDGET_WINDOW_SECONDS = 10;

/** Settings of {@link RetryBudget}. */
export interface RetryBudgetSettings {
  /** Retries per recent request. */
  readonly ratio: number;
  /** Retries per second that are allowed beside the ratio, so that a quiet gateway can retry too. */
  readonly minPerSecond: number;
}

/**
 * Bounds the retries of all requests together: what many single requests may each do must not multiply the load of a
 * fleet that is failing because of load. Counts requests and retries of the last ten seconds; 20 integers.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #reserve: number;
  readonly #requests = new Array<number>(BUDGET_WINDOW_SECONDS).fill(0);
  readonly #retries = new Array<number>(BUDGET_WINDOW_SECONDS).fill(0);
  #requestSum = 0;
  #retrySum = 0;
  /** Second to which the slots have been turned. */
  #second = 0;

  constructor(settings: RetryBudgetSettings) {
    this.#ratio = settings.ratio;
    this.#reserve = settings.minPerSecond * BUDGET_WINDOW_SECONDS;
  }

  /** A request begins. `nowMs` is monotonic. */
  onRequest(nowMs: number): void {
    const slot = this.#turnTo(nowMs);
    this.#requests[slot] = (this.#requests[slot] as number) + 1;
    this.#requestSum += 1;
  }

  /** Takes one retry; false when the budget is used up. */
  tryTake(nowMs: number): boolean {
    const slot = this.#turnTo(nowMs);
    if (this.#retrySum + 1 > this.#requestSum * this.#ratio + this.#reserve) return false;
    this.#retries[slot] = (this.#retries[slot] as number) + 1;
    this.#retrySum += 1;
    return true;
  }

  /** Empties the slots of seconds that have passed; gives the current one. */
  #turnTo(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    const passed = Math.min(second - this.#second, BUDGET_WINDOW_SECONDS);
    for (let i = 0; i < passed; i++) {
      const slot = (second - i) % BUDGET_WINDOW_SECONDS;
      this.#requestSum -= this.#requests[slot] as number;
      this.#retrySum -= this.#retries[slot] as number;
      this.#requests[slot] = 0;
      this.#retries[slot] = 0;
    }
    if (passed > 0) this.#second = second;
    return second % BUDGET_WINDOW_SECONDS;
  }
}
