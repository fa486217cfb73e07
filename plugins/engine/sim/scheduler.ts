import { BugError } from '../../../core/api/errors.js';
import { DueHeap } from './due-heap.js';
import { extendChainHash, type KvBlock, KvCache, type KvCacheOptions } from './kv-cache.js';
import type { KvEventLog } from './kv-events.js';
import { JobList, SimJob, type SimRequest } from './sim-job.js';

/** Speed and size of a simulated engine. Defaults are those of one mid-range accelerator with an 8B model. */
export interface SchedulerOptions extends KvCacheOptions {
  /** Uncached prompt tokens computed per second. Default 8,000. */
  readonly prefillTokensPerSecond?: number;
  /** Duration of a step that decodes, ms, before the share of each request. Default 6. */
  readonly decodeBaseMs?: number;
  /** Added per decoding request, ms. Default 0.35. */
  readonly decodePerRequestMs?: number;
  /** Prefill tokens per step over the whole batch. Default 2,048. */
  readonly prefillChunkTokens?: number;
  /** Requests that run at once. Default 256. */
  readonly maxRunning?: number;
}

/** A step never takes less, ms: time must pass while there is work. */
export const MIN_STEP_MS = 1;
/** Shortest positive pace between two tokens of one request, ms. */
const MIN_PACE_MS = 0.01;
const THROUGHPUT_SMOOTHING = 0.3;
const HIT_RATE_SMOOTHING = 0.2;

/** Load of the engine at one moment. */
export interface SchedulerLoads {
  readonly running: number;
  readonly waiting: number;
  /** Prompt tokens of waiting requests that are not cached, as seen at submission. */
  readonly waitingUncachedTokens: number;
  /** KV tokens held by requests, in whole blocks. */
  readonly usedTokens: number;
  readonly capacityTokens: number;
  /** `usedTokens` as a share, 0 to 1. */
  readonly tokenUsage: number;
  /** Tokens of idle prefix cache. */
  readonly idleCacheTokens: number;
  readonly maxRunning: number;
  /** Output tokens per second, smoothed; 0 when nothing runs. */
  readonly throughput: number;
  /** Share of prompt tokens found in the prefix cache, smoothed, 0 to 1. */
  readonly cacheHitRate: number;
}

/** Sums since the start; they only grow. */
export interface SchedulerTotals {
  promptTokens: number;
  cachedTokens: number;
  outputTokens: number;
  finished: number;
  aborted: number;
  preemptions: number;
}

/** Receives output: `count` more tokens of `job` at `atMs`, the last ones when `job.state` is `finished`. */
export type EmitTokens<Owner> = (job: SimJob<Owner>, count: number, atMs: number) => void;

/**
 * Continuous batching with chunked prefill, KV memory and prefix cache, in the time that its caller gives it: no timers,
 * no I/O, no randomness. Steps follow one another while there is work; a step admits waiting requests in order, shares
 * the prefill budget among those that still read their prompt, and gives one token to every other. A request with its
 * own {@link SimRequest.pace} takes memory and a place like the rest, but follows its own times.
 *
 * When a running request needs a block and none is left, the youngest one is preempted: it loses its memory, keeps its
 * tokens, and computes again later. Cost: O(1) per token, O(blocks) per admission, O(log n) per paced token.
 */
export class SimScheduler<Owner> {
  readonly kv: KvCache;
  readonly totals: SchedulerTotals;
  readonly maxRunning: number;
  readonly #events: KvEventLog | undefined;
  readonly #prefillTokensPerMs: number;
  readonly #decodeBaseMs: number;
  readonly #decodePerRequestMs: number;
  readonly #prefillChunkTokens: number;
  readonly #waiting = new JobList<Owner>();
  readonly #running = new JobList<Owner>();
  readonly #paced = new DueHeap<SimJob<Owner>>();
  /** Requests of the step in progress, oldest admission first. Reused. */
  readonly #batch: SimJob<Owner>[] = [];
  readonly #scratchIds: Uint32Array;
  #sequence = 0;
  #nowMs = 0;
  #stepStartMs = 0;
  /** End of the step in progress. */
  #stepEndMs: number | undefined = undefined;
  /** When the next step may begin, while none is in progress. */
  #beginMs: number | undefined = undefined;
  #waitingUncachedTokens = 0;
  #throughput = 0;
  #cacheHitRate = 0;
  #advancing = false;

  constructor(options: SchedulerOptions) {
    this.kv = new KvCache(options);
    this.#events = options.events;
    this.maxRunning = options.maxRunning ?? 256;
    this.#prefillTokensPerMs = (options.prefillTokensPerSecond ?? 8_000) / 1_000;
    this.#decodeBaseMs = options.decodeBaseMs ?? 6;
    this.#decodePerRequestMs = options.decodePerRequestMs ?? 0.35;
    this.#prefillChunkTokens = options.prefillChunkTokens ?? 2_048;
    this.#scratchIds = new Uint32Array(options.blockSize);
    this.totals = { promptTokens: 0, cachedTokens: 0, outputTokens: 0, finished: 0, aborted: 0, preemptions: 0 };
  }

  /** Whether a sequence of so many tokens, prompt and output, can ever run here. */
  fits(totalTokens: number): boolean {
    return Math.ceil(totalTokens / this.kv.blockSize) <= this.kv.capacity;
  }

  /**
   * Queues a request at `nowMs`; it starts with the next step. Advance to `nowMs` before, so that no step of the past
   * takes it in, and again afterwards to begin at once. Throws RangeError when it is empty or can never fit.
   */
  submit(request: SimRequest<Owner>, nowMs: number): SimJob<Owner> {
    if (request.promptIds.length === 0 || request.outputTokens < 1) throw new RangeError('An empty sequence');
    if (!this.fits(request.promptIds.length + request.outputTokens)) {
      throw new RangeError(`A sequence of more than ${this.kv.capacity * this.kv.blockSize} tokens never fits`);
    }
    this.#sequence += 1;
    const job = new SimJob(request, this.#sequence, nowMs);
    job.prefillTarget = request.promptIds.length;
    this.#extendHashes(job, Math.floor((job.prefillTarget - 1) / this.kv.blockSize));
    job.uncachedEstimate = job.prefillTarget - this.#cachedBlocks(job) * this.kv.blockSize;
    this.#waitingUncachedTokens += job.uncachedEstimate;
    this.#waiting.pushBack(job);
    this.#wake(nowMs);
    return job;
  }

  /** Ends a job at once and frees its memory; false when it had ended before. */
  abort(job: SimJob<Owner>, nowMs: number): boolean {
    if (job.state === 'waiting') this.#leaveQueue(job);
    else if (job.state === 'running') this.#stopRunning(job);
    else return false;
    job.state = 'aborted';
    this.totals.aborted += 1;
    this.#wake(nowMs);
    return true;
  }

  /** When something happens next, or undefined while there is nothing to do. May be in the past. */
  nextEventMs(): number | undefined {
    let next = this.#stepEndMs ?? this.#beginMs;
    const paced = this.#paced.peek();
    if (paced !== undefined && (next === undefined || paced.dueMs < next)) next = paced.dueMs;
    return next;
  }

  /** Lets time pass up to and including `nowMs`. `emit` may submit and abort, but not advance. */
  advanceTo(nowMs: number, emit: EmitTokens<Owner>): void {
    if (this.#advancing) throw new BugError('advanceTo was called from its own emit callback');
    this.#advancing = true;
    try {
      for (let next = this.nextEventMs(); next !== undefined && next <= nowMs; next = this.nextEventMs()) {
        this.#nowMs = Math.max(this.#nowMs, next);
        const paced = this.#paced.peek();
        if (paced !== undefined && paced.dueMs === next) this.#emitPaced(paced, emit);
        else if (this.#stepEndMs !== undefined) this.#endStep(this.#stepEndMs, emit);
        else this.#beginStep(this.#nowMs);
      }
      this.#nowMs = Math.max(this.#nowMs, nowMs);
    } finally {
      this.#advancing = false;
    }
    this.#events?.flush(this.#nowMs);
  }

  /** Load as of the last call. O(1). */
  loads(): SchedulerLoads {
    const { kv } = this;
    return {
      running: this.#running.length,
      waiting: this.#waiting.length,
      waitingUncachedTokens: this.#waitingUncachedTokens,
      usedTokens: kv.usedBlocks * kv.blockSize,
      capacityTokens: kv.capacity * kv.blockSize,
      tokenUsage: kv.usedBlocks / kv.capacity,
      idleCacheTokens: kv.idleBlocks * kv.blockSize,
      maxRunning: this.maxRunning,
      throughput: this.#running.length === 0 ? 0 : this.#throughput,
      cacheHitRate: this.#cacheHitRate,
    };
  }

  /** Drops all prefix cache that no request uses. */
  flushCache(): void {
    this.kv.clear();
    this.#events?.flush(this.#nowMs);
  }

  /** Makes the next step begin, unless one is in progress or nothing waits. */
  #wake(nowMs: number): void {
    if (this.#stepEndMs === undefined && this.#beginMs === undefined && this.#waiting.length > 0) {
      this.#beginMs = Math.max(nowMs, this.#nowMs);
    }
  }

  #beginStep(nowMs: number): void {
    this.#beginMs = undefined;
    this.#admit(nowMs);
    const batch = this.#batch;
    batch.length = 0;
    let budget = this.#prefillChunkTokens;
    let prefillTokens = 0;
    let decoding = 0;
    for (let job = this.#running.first; job !== undefined; job = job.next) {
      if (job.pace !== undefined) continue;
      const missing = Math.max(0, job.prefillTarget - job.computed);
      job.chunk = Math.min(missing, budget);
      budget -= job.chunk;
      prefillTokens += job.chunk;
      if (missing === 0) decoding += 1;
      batch.push(job);
    }
    if (batch.length === 0) return;
    const prefillMs = prefillTokens / this.#prefillTokensPerMs;
    const decodeMs = decoding === 0 ? 0 : this.#decodeBaseMs + this.#decodePerRequestMs * decoding;
    this.#stepStartMs = nowMs;
    this.#stepEndMs = nowMs + Math.max(prefillMs, decodeMs, MIN_STEP_MS);
  }

  #endStep(atMs: number, emit: EmitTokens<Owner>): void {
    this.#stepEndMs = undefined;
    let produced = 0;
    for (const job of this.#batch) {
      // Aborted, or preempted by an older one, since the step began.
      if (job.state !== 'running') continue;
      if (job.chunk > 0) this.#addComputed(job, job.chunk);
      job.chunk = 0;
      if (job.computed < job.prefillTarget || !this.#generateToken(job)) continue;
      produced += 1;
      this.#deliver(job, 1, atMs, emit);
    }
    this.#batch.length = 0;
    this.#throughput += THROUGHPUT_SMOOTHING * ((produced * 1_000) / (atMs - this.#stepStartMs) - this.#throughput);
    this.kv.evictAboveWatermark();
    this.#events?.flush(atMs);
    if (this.#running.length > 0 || this.#waiting.length > 0) this.#beginMs = atMs;
  }

  #emitPaced(job: SimJob<Owner>, emit: EmitTokens<Owner>): void {
    const atMs = job.dueMs;
    this.#paced.remove(job);
    const itlMs = this.#paceItlMs(job);
    const wanted = itlMs === 0 ? job.outputTokens - job.emitted : 1;
    let count = 0;
    while (count < wanted && this.#generateToken(job)) count += 1;
    if (job.state === 'running' && job.emitted < job.outputTokens) {
      job.dueMs = atMs + Math.max(itlMs, MIN_PACE_MS);
      this.#paced.push(job);
    }
    if (count > 0) this.#deliver(job, count, atMs, emit);
    this.#wake(atMs);
  }

  #paceItlMs(job: SimJob<Owner>): number {
    return job.pace?.itlMs ?? this.#decodeBaseMs + this.#decodePerRequestMs * this.#running.length;
  }

  /** Makes room for one token and counts it; false when that preempted the job itself. */
  #generateToken(job: SimJob<Owner>): boolean {
    const held = job.sharedBlocks.length + job.privateBlocks;
    if (job.totalTokens + 1 > held * this.kv.blockSize) {
      while (!this.kv.allocate(1)) {
        const youngest = this.#running.last as SimJob<Owner>;
        this.#preempt(youngest);
        if (youngest === job) return false;
      }
      job.privateBlocks += 1;
    }
    job.emitted += 1;
    this.#addComputed(job, 1);
    return true;
  }

  /** Hands over tokens already counted, and ends the job with the last one. */
  #deliver(job: SimJob<Owner>, count: number, atMs: number, emit: EmitTokens<Owner>): void {
    if (job.firstTokenMs < 0) job.firstTokenMs = atMs;
    this.totals.outputTokens += count;
    if (job.emitted === job.outputTokens) {
      if (job.state === 'running') this.#stopRunning(job);
      job.state = 'finished';
      this.totals.finished += 1;
    }
    emit(job, count, atMs);
  }

  #admit(nowMs: number): void {
    for (let job = this.#waiting.first; job !== undefined; job = this.#waiting.first) {
      if (this.#running.length >= this.maxRunning || !this.#takeMemory(job)) return;
      this.#leaveQueue(job);
      this.#running.pushBack(job);
      job.state = 'running';
      if (job.admittedMs < 0) this.#recordFirstAdmission(job, nowMs);
      if (job.pace === undefined) continue;
      const uncached = job.prefillTarget - job.computed;
      const ttftMs = job.pace.ttftMs ?? uncached / this.#prefillTokensPerMs + this.#decodeBaseMs;
      this.#addComputed(job, uncached);
      job.dueMs = nowMs + (job.emitted === 0 ? ttftMs : this.#paceItlMs(job));
      this.#paced.push(job);
    }
  }

  #recordFirstAdmission(job: SimJob<Owner>, nowMs: number): void {
    job.admittedMs = nowMs;
    job.cachedTokens = job.computed;
    const promptTokens = job.promptIds.length;
    this.totals.promptTokens += promptTokens;
    this.totals.cachedTokens += job.cachedTokens;
    this.#cacheHitRate += HIT_RATE_SMOOTHING * (job.cachedTokens / promptTokens - this.#cacheHitRate);
  }

  /** Holds the cached part of the prompt and allocates the rest, with a block to grow for each that runs. */
  #takeMemory(job: SimJob<Owner>): boolean {
    const { kv } = this;
    const fullBlocks = Math.floor((job.prefillTarget - 1) / kv.blockSize);
    this.#extendHashes(job, fullBlocks);
    for (let i = 0; i < fullBlocks; i++) {
      const block = kv.find(job.blockHashes[i] as number);
      if (block === undefined) break;
      kv.acquire(block);
      job.sharedBlocks.push(block);
    }
    const needed = Math.ceil(job.prefillTarget / kv.blockSize) - job.sharedBlocks.length;
    if (kv.availableBlocks < needed + this.#running.length || !kv.allocate(needed)) {
      this.#releaseMemory(job);
      return false;
    }
    job.privateBlocks = needed;
    job.computed = job.sharedBlocks.length * kv.blockSize;
    return true;
  }

  #releaseMemory(job: SimJob<Owner>): void {
    for (let i = job.sharedBlocks.length - 1; i >= 0; i--) this.kv.release(job.sharedBlocks[i] as KvBlock);
    job.sharedBlocks.length = 0;
    this.kv.free(job.privateBlocks);
    job.privateBlocks = 0;
    job.computed = 0;
    job.chunk = 0;
  }

  #stopRunning(job: SimJob<Owner>): void {
    this.#running.remove(job);
    this.#paced.remove(job);
    this.#releaseMemory(job);
  }

  #preempt(job: SimJob<Owner>): void {
    this.#stopRunning(job);
    job.state = 'waiting';
    job.preemptions += 1;
    this.totals.preemptions += 1;
    job.prefillTarget = job.totalTokens;
    job.uncachedEstimate = job.prefillTarget;
    this.#waitingUncachedTokens += job.uncachedEstimate;
    this.#waiting.pushFront(job);
  }

  #leaveQueue(job: SimJob<Owner>): void {
    this.#waiting.remove(job);
    this.#waitingUncachedTokens -= job.uncachedEstimate;
  }

  /** Advances the computed part and shares every block that it fills. */
  #addComputed(job: SimJob<Owner>, count: number): void {
    job.computed += count;
    const { blockSize } = this.kv;
    const shareable = job.outputId === undefined ? Math.min(job.computed, job.promptIds.length) : job.computed;
    for (let index = job.sharedBlocks.length; (index + 1) * blockSize <= shareable; index++) {
      this.#extendHashes(job, index + 1);
      const parentHash = job.blockHashes[index - 1] ?? 0;
      const block = this.kv.share(job.blockHashes[index] as number, parentHash, () => this.#copyIds(job, index));
      job.privateBlocks -= 1;
      job.sharedBlocks.push(block);
    }
  }

  #extendHashes(job: SimJob<Owner>, blocks: number): void {
    const { blockSize } = this.kv;
    const hashes = job.blockHashes;
    for (let index = hashes.length; index < blocks; index++) {
      const parentHash = hashes[index - 1] ?? 0;
      const start = index * blockSize;
      if (start + blockSize <= job.promptIds.length) {
        hashes.push(extendChainHash(parentHash, job.promptIds, start, blockSize));
      } else {
        this.#fillIds(job, index, this.#scratchIds);
        hashes.push(extendChainHash(parentHash, this.#scratchIds, 0, blockSize));
      }
    }
  }

  #copyIds(job: SimJob<Owner>, blockIndex: number): Uint32Array {
    const ids = new Uint32Array(this.kv.blockSize);
    this.#fillIds(job, blockIndex, ids);
    return ids;
  }

  #fillIds(job: SimJob<Owner>, blockIndex: number, ids: Uint32Array): void {
    const promptTokens = job.promptIds.length;
    const start = blockIndex * this.kv.blockSize;
    for (let i = 0; i < ids.length; i++) {
      const position = start + i;
      ids[i] =
        position < promptTokens ? (job.promptIds[position] as number) : (job.outputId?.(position - promptTokens) ?? 0);
    }
  }

  /** Blocks of the prompt that are cached now, held by nobody for it. */
  #cachedBlocks(job: SimJob<Owner>): number {
    let count = 0;
    while (count < job.blockHashes.length && this.kv.find(job.blockHashes[count] as number) !== undefined) count += 1;
    return count;
  }
}
