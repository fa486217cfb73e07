import type { DueEntry } from './due-heap.js';
import type { KvBlock } from './kv-cache.js';

/** Own pace of a request, outside the batch: it shares KV memory and places, but not step times. */
export interface SimPace {
  /** From admission to the first token, ms. Default: by uncached tokens. */
  readonly ttftMs?: number;
  /** Between two tokens, ms; 0 gives all at once. Default: by the number of running requests at that moment. */
  readonly itlMs?: number;
}

/** One sequence to generate. */
export interface SimRequest<Owner> {
  /** Handed back with every token. */
  readonly owner: Owner;
  /** Prompt token ids, at least one. Kept until the job ends. */
  readonly promptIds: Uint32Array;
  /** Tokens to generate, ≥ 1. */
  readonly outputTokens: number;
  /** Id of output token `index`; without it, output never enters the prefix cache. */
  readonly outputId?: (index: number) => number;
  readonly pace?: SimPace;
}

export type SimJobState = 'waiting' | 'running' | 'finished' | 'aborted';

/** A submitted request. Fields are for reading; only the scheduler writes them. */
export class SimJob<Owner> implements DueEntry {
  readonly owner: Owner;
  readonly promptIds: Uint32Array;
  readonly outputTokens: number;
  readonly outputId: ((index: number) => number) | undefined;
  readonly pace: SimPace | undefined;
  /** Order of submission. */
  readonly sequence: number;
  readonly submittedMs: number;
  state: SimJobState = 'waiting';
  /** Output tokens so far. */
  emitted = 0;
  /** Prompt tokens found in the prefix cache at first admission. */
  cachedTokens = 0;
  /** −1 until admitted. */
  admittedMs = -1;
  /** −1 until the first token. */
  firstTokenMs = -1;
  /** Times it lost its memory to an older request and had to compute again. */
  preemptions = 0;

  /** Tokens whose KV is present. Scheduler only, like everything below. */
  computed = 0;
  /** Tokens to prefill before the next one can be generated. */
  prefillTarget = 0;
  /** Prefill tokens planned in the current step. */
  chunk = 0;
  /** Estimate at submission, for the load figure. */
  uncachedEstimate = 0;
  readonly sharedBlocks: KvBlock[] = [];
  privateBlocks = 0;
  /** Chain hashes of full blocks, as far as they were needed. */
  readonly blockHashes: number[] = [];
  previous: SimJob<Owner> | undefined = undefined;
  next: SimJob<Owner> | undefined = undefined;
  dueMs = 0;
  heapIndex = -1;

  constructor(request: SimRequest<Owner>, sequence: number, submittedMs: number) {
    this.owner = request.owner;
    this.promptIds = request.promptIds;
    this.outputTokens = request.outputTokens;
    this.outputId = request.outputId;
    this.pace = request.pace;
    this.sequence = sequence;
    this.submittedMs = submittedMs;
  }

  /** Prompt and output so far. */
  get totalTokens(): number {
    return this.promptIds.length + this.emitted;
  }
}

/** Doubly linked list of jobs; a job is in one list at most. */
export class JobList<Owner> {
  first: SimJob<Owner> | undefined = undefined;
  last: SimJob<Owner> | undefined = undefined;
  length = 0;

  pushBack(job: SimJob<Owner>): void {
    job.previous = this.last;
    job.next = undefined;
    if (this.last === undefined) this.first = job;
    else this.last.next = job;
    this.last = job;
    this.length += 1;
  }

  pushFront(job: SimJob<Owner>): void {
    job.previous = undefined;
    job.next = this.first;
    if (this.first === undefined) this.last = job;
    else this.first.previous = job;
    this.first = job;
    this.length += 1;
  }

  /** `job` must be in this list. */
  remove(job: SimJob<Owner>): void {
    if (job.previous === undefined) this.first = job.next;
    else job.previous.next = job.next;
    if (job.next === undefined) this.last = job.previous;
    else job.next.previous = job.previous;
    job.previous = undefined;
    job.next = undefined;
    this.length -= 1;
  }
}
