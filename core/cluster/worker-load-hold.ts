import type { LoadHold, LoadOwner } from '../api/worker.js';
import type { RankLoads } from './rank-loads.js';
import type { ManagedWorker } from './worker.js';

/** One request's share of the load of one worker; a link in the list of that worker's holds. */
export class WorkerLoadHold implements LoadHold {
  readonly worker: ManagedWorker;
  readonly owner: LoadOwner | undefined;
  /** Of the guard. */
  readonly ticket: number;
  readonly dpRank: number | undefined;
  readonly #ranks: RankLoads | undefined;
  previous: WorkerLoadHold | undefined;
  next: WorkerLoadHold | undefined = undefined;
  #released = false;

  constructor(
    worker: ManagedWorker,
    owner: LoadOwner | undefined,
    previous: WorkerLoadHold | undefined,
    ticket: number,
    ranks: RankLoads | undefined,
  ) {
    this.ticket = ticket;
    this.#ranks = ranks;
    this.dpRank = ranks?.acquire();
    this.worker = worker;
    this.owner = owner;
    this.previous = previous;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.worker.releaseLoad(this);
  }

  /** Of the engine as it was when the hold began, should it have another number of ranks by now. */
  releaseRank(): void {
    if (this.dpRank !== undefined) this.#ranks?.release(this.dpRank);
  }
}
