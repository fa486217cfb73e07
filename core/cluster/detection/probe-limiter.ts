import type { Clock, Timer } from '../../api/clock.js';

/**
 * `first`: a worker that has not been looked at yet. `urgent`: something has just spoken for or against it. `keeping`: it is
 * in use. `recovering`: it is, or may be, down.
 */
export type ProbeLane = 'first' | 'urgent' | 'keeping' | 'recovering';
type PacedLane = Exclude<ProbeLane, 'first'>;

/** Rounds of probes that may begin a second in the process, the first ones of new workers apart. */
export const PROBES_PER_SECOND = 80;

/** What a limiter allows. */
export interface ProbeLimits {
  /** Rounds that may run at once. */
  readonly maxRunning: number;
  /** Of these, workers that are not known to be well get at most so many: dead hosts that only time out do not starve others. */
  readonly maxRecovering: number;
  readonly perSecond: number;
  /** Rounds that may begin at once after a pause. */
  readonly burst: number;
}

const DEFAULT_LIMITS: ProbeLimits = { maxRunning: 128, maxRecovering: 96, perSecond: PROBES_PER_SECOND, burst: 50 };
/** Whose turn it is when more wait than may begin: what others leave each lane may have. */
const TURNS: readonly PacedLane[] = ['urgent', 'keeping', 'urgent', 'recovering'];
/** Those that are held back are let go together, ms: one timer for several. */
const BATCH_MS = 50;

/** A place in which one round of probes may run. */
export interface ProbePlace {
  /** Idempotent. */
  release(): void;
}

/**
 * Bounds how many workers are probed at once, and how many a second, so that the size of a fleet, or its death, does not
 * decide what probing costs. First come, first served in each lane; lanes take turns. The first rounds of new workers only
 * count among those that run: a fleet is to be known soon.
 */
export class ProbeLimiter {
  readonly #clock: Clock;
  readonly #limits: ProbeLimits;
  readonly #waiting: Readonly<Record<ProbeLane, Set<() => void>>> = {
    first: new Set(),
    urgent: new Set(),
    keeping: new Set(),
    recovering: new Set(),
  };
  #running = 0;
  #recovering = 0;
  #turn = 0;
  /** Rounds that may begin now. */
  #allowance: number;
  #allowanceAtMs: number;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, limits: Partial<ProbeLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#allowance = this.#limits.burst;
    this.#allowanceAtMs = clock.monotonicMs();
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    let count = 0;
    for (const queue of Object.values(this.#waiting)) count += queue.size;
    return count;
  }

  /** Calls `start` with a place, at once if one is free. Returns the way to give up waiting; after `start` it does nothing. */
  enter(lane: ProbeLane, start: (place: ProbePlace) => void): () => void {
    const queue = this.#waiting[lane];
    const begin = (): void => start(this.#place(lane));
    queue.add(begin);
    this.#startWaiting();
    return () => {
      if (queue.delete(begin)) this.#startWaiting();
    };
  }

  #startWaiting(): void {
    while (this.#startNext('first'));
    for (let lane = this.#nextLane(); lane !== undefined; lane = this.#nextLane()) {
      if (!this.#take()) {
        this.#timer ??= this.#clock.setTimer(BATCH_MS, () => {
          this.#timer = undefined;
          this.#startWaiting();
        });
        return;
      }
      this.#turn += 1;
      this.#startNext(lane);
    }
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The next in turn of the lanes in which somebody waits and could begin. */
  #nextLane(): PacedLane | undefined {
    for (let i = 0; i < TURNS.length; i++) {
      const lane = TURNS[(this.#turn + i) % TURNS.length] as PacedLane;
      if (this.#waiting[lane].size > 0 && this.#hasRoom(lane)) {
        this.#turn += i;
        return lane;
      }
    }
    return undefined;
  }

  /** Whether one more may begin now. */
  #take(): boolean {
    const { perSecond, burst } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    this.#allowance = Math.min(burst, this.#allowance + ((nowMs - this.#allowanceAtMs) * perSecond) / 1_000);
    this.#allowanceAtMs = nowMs;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  #startNext(lane: ProbeLane): boolean {
    const queue = this.#waiting[lane];
    if (!this.#hasRoom(lane)) return false;
    for (const begin of queue) {
      queue.delete(begin);
      begin();
      return true;
    }
    return false;
  }

  #hasRoom(lane: ProbeLane): boolean {
    if (this.#running >= this.#limits.maxRunning) return false;
    return !mayBeDown(lane) || this.#recovering < this.#limits.maxRecovering;
  }

  #place(lane: ProbeLane): ProbePlace {
    const recovering = mayBeDown(lane) ? 1 : 0;
    this.#running += 1;
    this.#recovering += recovering;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#running -= 1;
        this.#recovering -= recovering;
        this.#startWaiting();
      },
    };
  }
}

function mayBeDown(lane: ProbeLane): boolean {
  return lane === 'first' || lane === 'recovering';
}
