import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../../../core/api/clock.js';
import type { RequestHeaders } from '../../../core/api/headers.js';
import type { Answer, Choice } from './answer.js';
import type { SimConfig } from './config.js';
import type { ExchangeOutcome, SimExchange } from './exchange.js';
import { type Fault, parseFault } from './fault.js';
import { KvEventLog } from './kv-events.js';
import { RequestRejected } from './rejection.js';
import { type SchedulerLoads, type SchedulerTotals, SimScheduler } from './scheduler.js';
import type { SimJob } from './sim-job.js';
import { mix } from './text.js';

/** Requests remembered for tests. */
const REMEMBERED_REQUESTS = 64;

/** A request as the engine got it. */
export interface ReceivedRequest {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly headers: RequestHeaders;
  readonly body: Buffer;
  /** Monotonic, ms. */
  readonly atMs: number;
}

/** Counters of one engine. Requests of control and information endpoints are not counted. */
export interface SimStats {
  readonly received: number;
  readonly inFlight: number;
  readonly completed: number;
  /** The client left before the answer was out. */
  readonly aborted: number;
  /** Answers that a scripted fault broke. */
  readonly faulted: number;
  /** Clock's monotonic time of the last abort, ms. */
  readonly lastAbortMs: number | undefined;
  readonly loads: SchedulerLoads;
  readonly totals: Readonly<SchedulerTotals>;
}

/** The engine without its socket: scheduler, real-time driving, counters, faults. */
export class SimEngine {
  readonly config: SimConfig;
  readonly clock: Clock;
  readonly kvEvents: KvEventLog | undefined;
  readonly scheduler: SimScheduler<Choice>;
  /** Wall clock at start, ms. */
  readonly startedAtMs: number;
  /** False: health checks fail. */
  healthy = true;
  /** Runs after the engine's fault was set by a request. The server sets it. */
  onFaultChange: (() => void) | undefined = undefined;
  readonly #onTokens: (job: SimJob<Choice>, count: number) => void;
  readonly #dirty: Answer[] = [];
  readonly #requests: ReceivedRequest[] = [];
  #timer: Timer | undefined = undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #ticking = false;
  #closed = false;
  #fault: Fault | undefined = undefined;
  #faultTimesLeft = Number.POSITIVE_INFINITY;
  #faultDraws = 0;
  #ids = 0;
  #received = 0;
  #inFlight = 0;
  #completed = 0;
  #aborted = 0;
  #faulted = 0;
  #lastAbortMs: number | undefined = undefined;

  constructor(config: SimConfig, clock: Clock) {
    this.config = config;
    this.clock = clock;
    this.startedAtMs = clock.nowMs();
    this.kvEvents = config.kv_events ? new KvEventLog() : undefined;
    this.scheduler = new SimScheduler({
      blocks: config.kv_blocks,
      blockSize: config.kv_block_size,
      highWatermark: config.kv_high_watermark,
      lowWatermark: config.kv_low_watermark,
      prefixCache: config.prefix_cache,
      prefillTokensPerSecond: config.prefill_tokens_per_second,
      decodeBaseMs: config.decode_base,
      decodePerRequestMs: config.decode_per_request,
      prefillChunkTokens: config.prefill_chunk_tokens,
      maxRunning: config.max_batch,
      ...(this.kvEvents === undefined ? {} : { events: this.kvEvents }),
    });
    this.#onTokens = (job, count) => this.#collect(job, count);
    if (config.fault !== undefined) this.setFault(config.fault);
  }

  /** Default model: the first one. */
  get model(): string {
    return this.config.models[0] as string;
  }

  /** Fault of the whole engine, or undefined. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  /** Sets or (undefined) lifts the fault of all inference requests. Throws RangeError for a text that is none. */
  setFault(text: string | undefined): void {
    const fault = text === undefined ? undefined : parseFault(text);
    if (typeof fault === 'string') throw new RangeError(fault);
    this.#fault = fault;
    this.#faultTimesLeft = fault?.times ?? Number.POSITIVE_INFINITY;
  }

  /** Fault that a request with these headers meets; a header goes before the engine's. Throws RequestRejected. */
  drawFault(headers: RequestHeaders): Fault | undefined {
    const text = headers.get('x-sim-fault');
    if (text !== undefined) {
      const fault = parseFault(text);
      if (typeof fault === 'string') throw new RequestRejected(400, fault, 'x-sim-fault');
      if (fault.worker === undefined || fault.worker === this.config.name) return fault;
    }
    if (this.#fault === undefined || this.#faultTimesLeft === 0) return undefined;
    this.#faultDraws += 1;
    if (mix(this.config.seed, this.#faultDraws) / 0x1_0000_0000 >= this.config.fault_rate) return undefined;
    this.#faultTimesLeft -= 1;
    return this.#fault;
  }

  /** A fresh id with a prefix; the same sequence in every run. */
  createId(prefix: string): string {
    this.#ids += 1;
    const low = mix(this.config.seed, this.#ids).toString(16).padStart(8, '0');
    return `${prefix}${low}${mix(this.#ids, 0x51d).toString(16).padStart(8, '0')}`;
  }

  /** Counts an inference request in. */
  onReceived(exchange: SimExchange): void {
    this.#received += 1;
    this.#inFlight += 1;
    if (this.config.instant) return;
    const { headers, body } = exchange;
    const atMs = this.clock.monotonicMs();
    if (this.#requests.length === REMEMBERED_REQUESTS) this.#requests.shift();
    this.#requests.push({ method: headers.method, path: headers.path, headers, body, atMs });
  }

  /** Counts an inference request out. */
  onEnded(outcome: ExchangeOutcome): void {
    this.#inFlight -= 1;
    if (outcome === 'completed') this.#completed += 1;
    else if (outcome === 'faulted') this.#faulted += 1;
    else {
      this.#aborted += 1;
      this.#lastAbortMs = this.clock.monotonicMs();
    }
  }

  /** Last inference requests, oldest first; with headers as received, so for tests in the process only. */
  requests(): readonly ReceivedRequest[] {
    return this.#requests;
  }

  stats(): SimStats {
    return {
      received: this.#received,
      inFlight: this.#inFlight,
      completed: this.#completed,
      aborted: this.#aborted,
      faulted: this.#faulted,
      lastAbortMs: this.#lastAbortMs,
      loads: this.scheduler.loads(),
      totals: this.scheduler.totals,
    };
  }

  /** Starts every choice of an answer; they end with it. */
  submit(answer: Answer): void {
    const nowMs = this.clock.monotonicMs();
    this.#advance(nowMs);
    for (const choice of answer.choices) {
      choice.job = this.scheduler.submit(
        {
          owner: choice,
          promptIds: choice.promptIds,
          outputTokens: choice.plan.tokens,
          outputId: (index) => choice.plan.idAt(index),
          ...(choice.pace === undefined ? {} : { pace: choice.pace }),
        },
        nowMs,
      );
    }
    answer.exchange.onAbandon = () => this.#abandon(answer);
    this.#advance(nowMs);
  }

  /** Forgets timers; no token comes afterwards. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #abandon(answer: Answer): void {
    const nowMs = this.clock.monotonicMs();
    for (const choice of answer.choices) if (choice.job !== undefined) this.scheduler.abort(choice.job, nowMs);
    this.#advance(nowMs);
  }

  #collect(job: SimJob<Choice>, count: number): void {
    const choice = job.owner;
    choice.available += count;
    if (choice.answer.dirty) return;
    choice.answer.dirty = true;
    this.#dirty.push(choice.answer);
  }

  /** Lets the scheduler catch up, writes each answer that got tokens once, and sets the timer for the next event. */
  #advance(nowMs: number): void {
    // A fault that strikes while tokens are written abandons its answer from in here.
    if (this.#ticking) return;
    this.#ticking = true;
    do {
      this.scheduler.advanceTo(nowMs, this.#onTokens);
      for (const answer of this.#dirty) {
        answer.dirty = false;
        answer.pump();
      }
      this.#dirty.length = 0;
    } while ((this.scheduler.nextEventMs() ?? Number.POSITIVE_INFINITY) <= nowMs);
    this.#ticking = false;
    this.#setTimer(nowMs);
  }

  #setTimer(nowMs: number): void {
    const dueMs = this.scheduler.nextEventMs() ?? Number.POSITIVE_INFINITY;
    if (this.#timer !== undefined && dueMs === this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY || this.#closed) return;
    this.#timer = this.clock.setTimer(dueMs - nowMs, () => {
      this.#timer = undefined;
      this.#advance(this.clock.monotonicMs());
    });
  }
}

/** Short fingerprint of header names and values, for telling two requests apart without showing secrets. */
export function hashHeaders(headers: RequestHeaders): string {
  return createHash('sha256').update(headers.flat.join('\n')).digest('hex').slice(0, 16);
}
