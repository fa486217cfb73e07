import type { AnswerProgress, LoadHold, LoadOwner, RequestWork } from '../api/worker.js';
import type { RankLoads } from './rank-loads.js';
import type { ManagedWorker } from './worker.js';

/** What a request counts for when nothing is known of it. */
const UNKNOWN_WORK: RequestWork = { promptTokens: 1, streams: false };

/** One request's share of the load of one worker; a link in the list of that worker's holds. */
export class WorkerLoadHold implements LoadHold, AnswerProgress {
  readonly worker: ManagedWorker;
  readonly owner: LoadOwner | undefined;
  /** Of the guard. */
  readonly ticket: number;
  readonly dpRank: number | undefined;
  readonly #work: RequestWork;
  readonly #ranks: RankLoads | undefined;
  previous: WorkerLoadHold | undefined;
  next: WorkerLoadHold | undefined = undefined;
  #answering = false;
  #paused = false;
  #released = false;

  constructor(
    worker: ManagedWorker,
    owner: LoadOwner | undefined,
    previous: WorkerLoadHold | undefined,
    ticket: number,
    ranks: RankLoads | undefined,
    work: RequestWork = UNKNOWN_WORK,
  ) {
    this.ticket = ticket;
    this.#work = work;
    this.#ranks = ranks;
    this.dpRank = ranks?.acquire(work.promptTokens);
    this.worker = worker;
    this.owner = owner;
    this.previous = previous;
    worker.progress.pendingPromptTokens += work.promptTokens;
    if (work.streams) worker.progress.expecting += 1;
  }

  get answer(): AnswerProgress {
    return this;
  }

  onPiece(): void {
    const { worker } = this;
    const { progress } = worker;
    if (!this.#answering && !this.#released) {
      this.#answering = true;
      progress.pendingPromptTokens -= this.#work.promptTokens;
    }
    progress.moved = true;
    if (progress.awaited) worker.guard?.onProgress();
    worker.recordContact();
  }

  onPaused(paused: boolean): void {
    if (paused === this.#paused || this.#released) return;
    this.#paused = paused;
    if (this.#work.streams) this.worker.progress.expecting += paused ? -1 : 1;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    const { progress } = this.worker;
    if (!this.#answering) progress.pendingPromptTokens -= this.#work.promptTokens;
    if (this.#work.streams && !this.#paused) progress.expecting -= 1;
    this.worker.releaseLoad(this);
  }

  /** Of the engine as it was when the hold began, should it have another number of ranks by now. */
  releaseRank(): void {
    if (this.dpRank !== undefined) this.#ranks?.release(this.dpRank, this.#work.promptTokens);
  }
}
