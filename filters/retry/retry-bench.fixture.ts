import assert from 'node:assert/strict';
import type {
  Cluster,
  ErrorCode,
  GatewayError,
  GatewayErrorOptions,
  InferenceRequest,
  RequestHeaders,
  StreamFilterCallbacks,
  Worker,
} from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import {
  chatRequestHeaders,
  createFilterHarness,
  FakeClock,
  type FilterHarness,
  ScriptedTerminal,
} from '../../core/testing/index.js';
import { configSchema, RetryFilterConfig } from './config.js';
import { RetryFilter } from './filter.js';

/** First-byte limit of the cluster. */
export const FIRST_BYTE_MS = 120_000;

/** A request that knows what it is a copy of. */
export class StubRequest {
  readonly model = 'm';
  readonly forkOf: StubRequest | undefined;

  constructor(forkOf?: StubRequest) {
    this.forkOf = forkOf;
  }

  fork(): StubRequest {
    return new StubRequest(this);
  }
}

/** Everything below `retry`, in the test's hands: takes a worker that is untried, if there is one, and waits. */
export class ScriptedAttempt extends ScriptedTerminal {
  readonly #bench: Bench;
  worker: Worker | undefined = undefined;
  atMs = 0;

  constructor(bench: Bench, callbacks: StreamFilterCallbacks) {
    super(callbacks);
    this.#bench = bench;
  }

  override onRequest(): void {
    const { workers, attempts, clock } = this.#bench;
    this.atMs = clock.monotonicMs();
    attempts.push(this);
    const { streamInfo } = this.callbacks;
    const available = workers.filter((worker) => worker.available);
    if (available.length === 0) {
      this.fail('no_available_workers');
      return;
    }
    const untried = available.find((worker) => !streamInfo.attempts.some((attempt) => attempt.worker === worker));
    this.worker = untried ?? (available[0] as Worker);
    const attempt = { worker: this.worker, status: 0, error: undefined, startedMs: this.atMs, endedMs: 0 };
    streamInfo.attempts.push(attempt);
    this.callbacks.run.attempt = attempt;
    this.#bench.onAttempt(this, attempts.length - 1);
  }

  override head(status: number, flat: string[] = [], endStream = false): void {
    if (this.callbacks.run.attempt !== undefined) this.callbacks.run.attempt.status = status;
    super.head(status, flat, endStream);
  }

  override fail(code: ErrorCode, options: GatewayErrorOptions = {}): void {
    if (this.callbacks.run.attempt !== undefined) this.callbacks.run.attempt.error = code;
    super.fail(code, options);
  }

  /** A worker's own answer, as the backend of its dialect reads it. */
  failWith(error: GatewayError): void {
    if (this.callbacks.run.attempt !== undefined) this.callbacks.run.attempt.status = error.upstreamStatus ?? 0;
    this.callbacks.sendLocalReply(error);
  }
}

/** One run of `retry` with everything around it. */
export interface Bench {
  readonly workers: readonly Worker[];
  readonly attempts: ScriptedAttempt[];
  readonly clock: FakeClock;
  readonly stats: StatsStore;
  readonly harness: FilterHarness;
  readonly headers: RequestHeaders;
  readonly request: StubRequest;
  /** Runs when an attempt has begun; the default leaves it waiting. */
  onAttempt: (attempt: ScriptedAttempt, index: number) => void;
  start(): void;
  /** The last attempt. */
  readonly last: ScriptedAttempt;
}

/** What a bench has other than by default. */
export interface BenchOptions {
  readonly workers?: number;
  /** Whether they are cloud APIs. Default false. */
  readonly external?: boolean;
  readonly config?: unknown;
  readonly deadlineMs?: number;
  /** First-byte limit of the run; without it that of the cluster holds. */
  readonly firstByteMs?: number;
  readonly body?: boolean;
  readonly shared?: RetryFilterConfig;
}

/** Nothing happens before `start`. */
export function createBench(options: BenchOptions = {}): Bench {
  const clock = new FakeClock();
  const stats = new StatsStore();
  const runtime = options.external === true ? 'external' : 'generic';
  const workers = Array.from({ length: options.workers ?? 3 }, () => ({
    available: true,
    workerType: 'regular',
    runtime,
  }));
  const timeouts = { connectMs: 0, firstByteMs: FIRST_BYTE_MS, idleMs: 0, requestMs: 0 };
  const cluster = { timeouts, candidates: () => workers } as unknown as Cluster;
  const shared =
    options.shared ?? new RetryFilterConfig(configSchema.parse(options.config ?? {}), clock, stats, () => 0.5);
  const attempts: ScriptedAttempt[] = [];
  const request = new StubRequest();
  const headers = chatRequestHeaders('x-a', '1');
  const bench: Bench = {
    workers: workers as unknown as readonly Worker[],
    attempts,
    clock,
    stats,
    headers,
    request,
    onAttempt: () => {},
    harness: createFilterHarness(
      [{ name: 'retry', nesting: true, factory: (callbacks) => new RetryFilter(shared, callbacks) }],
      {
        terminal: (callbacks) => new ScriptedAttempt(bench, callbacks),
        above: (run) => {
          run.cluster = cluster;
          if (options.firstByteMs !== undefined) run.timeouts = { ...timeouts, firstByteMs: options.firstByteMs };
        },
        prepare: (info) => {
          if (options.deadlineMs !== undefined) info.deadlineMs = clock.monotonicMs() + options.deadlineMs;
        },
      },
    ),
    start: () => {
      const body = options.body ?? true;
      bench.harness.sendHeaders(headers, !body);
      if (body) bench.harness.sendRequest(request as unknown as InferenceRequest);
    },
    get last() {
      return attempts.at(-1) as ScriptedAttempt;
    },
  };
  return bench;
}

/** Whether a policy may choose the worker. */
export function setAvailable(worker: Worker | undefined, available: boolean): void {
  (worker as { available: boolean }).available = available;
}

/** Nothing is left open: no timer, no attempt, no run. */
export function assertClean(bench: Bench): void {
  assert.deepEqual(bench.harness.exceptions, []);
  assert.equal(bench.clock.pendingTimers, 0, 'a timer is left');
  for (const [index, attempt] of bench.attempts.entries())
    assert.ok(attempt.destroyed, `attempt ${index} is left open`);
  assert.ok(bench.harness.response.runEnded);
}

/** The client got this answer, whole and once, after so many attempts. */
export function assertAnswer(bench: Bench, status: number, body: string | RegExp, attempts: number): void {
  const { response } = bench.harness;
  assert.equal(response.headers?.status, status);
  if (typeof body === 'string') assert.equal(response.body, body);
  else assert.match(response.body, body);
  assert.equal(response.ends, 1);
  assert.equal(bench.attempts.length, attempts);
  assertClean(bench);
}
