/** Rounds of probes that may run at once in the process. */
const MAX_RUNNING = 128;
/** Of these, workers that are not known to be well get at most so many: dead hosts that only time out do not starve others. */
const MAX_RECOVERING = 96;

/** A place in which one round of probes may run. */
export interface ProbePlace {
  /** Idempotent. */
  release(): void;
}

/**
 * Bounds how many workers are probed at once. First come, first served in each of two lanes: workers that are in use, and
 * workers that are (or may be) down.
 */
export class ProbeLimiter {
  readonly #maxRunning: number;
  readonly #maxRecovering: number;
  readonly #waiting = { keeping: new Set<() => void>(), recovering: new Set<() => void>() };
  #running = 0;
  #recovering = 0;

  constructor(maxRunning = MAX_RUNNING, maxRecovering = MAX_RECOVERING) {
    this.#maxRunning = maxRunning;
    this.#maxRecovering = maxRecovering;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.keeping.size + this.#waiting.recovering.size;
  }

  /** Calls `start` with a place, at once if one is free. Returns the way to give up waiting; after `start` it does nothing. */
  enter(lane: 'keeping' | 'recovering', start: (place: ProbePlace) => void): () => void {
    const queue = this.#waiting[lane];
    const begin = (): void => start(this.#place(lane));
    if (queue.size === 0 && this.#hasRoom(lane)) {
      begin();
      return () => {};
    }
    queue.add(begin);
    return () => void queue.delete(begin);
  }

  #hasRoom(lane: 'keeping' | 'recovering'): boolean {
    return this.#running < this.#maxRunning && (lane === 'keeping' || this.#recovering < this.#maxRecovering);
  }

  #place(lane: 'keeping' | 'recovering'): ProbePlace {
    const recovering = lane === 'recovering' ? 1 : 0;
    this.#running += 1;
    this.#recovering += recovering;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#running -= 1;
        this.#recovering -= recovering;
        this.#startNext('keeping');
        this.#startNext('recovering');
      },
    };
  }

  #startNext(lane: 'keeping' | 'recovering'): void {
    const queue = this.#waiting[lane];
    for (const begin of queue) {
      if (!this.#hasRoom(lane)) return;
      queue.delete(begin);
      begin();
    }
  }
}
