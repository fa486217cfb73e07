import type { Clock, Timer } from '../api/clock.js';
import type { WorkerHealth } from '../api/worker.js';
import type { ManagedWorker } from './worker.js';

/**
 * The way out of one worker that nobody names any more: seen to drain for its settle time (where it was healthy: from
 * another one nobody has to be kept), then gone with its last request, or cut at its deadline. Goes by `worker.drain`. Owned by the registry, which cancels it when the worker is named again.
 */
export class WorkerDrain {
  /** Before it began to drain, so that one that comes back need not prove itself again. */
  readonly healthBefore: WorkerHealth;
  readonly #worker: ManagedWorker;
  readonly #clock: Clock;
  readonly #onGone: () => void;
  #timer: Timer | undefined = undefined;
  /** It has drained for as long as it must be seen to. */
  #settled = false;

  /** `onGone` is called once: nothing runs on the worker any more. */
  constructor(worker: ManagedWorker, clock: Clock, onGone: () => void) {
    this.healthBefore = worker.health;
    this.#worker = worker;
    this.#clock = clock;
    this.#onGone = onGone;
  }

  /** Begins, or begins anew with other settings. */
  start(): void {
    const { timeoutMs } = this.#worker.drain;
    const settleMs = this.healthBefore === 'healthy' ? this.#worker.drain.settleMs : 0;
    this.cancel();
    this.#settled = false;
    if (settleMs === 0) this.#awaitLast(timeoutMs);
    else this.#timer = this.#clock.setTimer(settleMs, () => this.#awaitLast(timeoutMs - settleMs));
  }

  /** The last request on the worker has ended. */
  onIdle(): void {
    if (!this.#settled) return;
    this.cancel();
    this.#onGone();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** It has been seen to drain; `restMs` until its last requests are cut, where they are. */
  #awaitLast(restMs: number): void {
    this.#settled = true;
    this.#timer = undefined;
    if (this.#worker.inFlight === 0) this.#onGone();
    else if (this.#worker.drain.timeoutMs > 0) {
      this.#timer = this.#clock.setTimer(Math.max(restMs, 0), () => this.#cut());
    }
  }

  /** Its time is over: what still runs on it is given up, and with the last hold it is gone. */
  #cut(): void {
    this.#timer = undefined;
    this.#worker.cut();
  }
}
