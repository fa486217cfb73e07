import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import {
  type Cluster,
  type ErrorCode,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  HeaderMap,
  type InferenceRequest,
  type RequestHeaders,
  ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Worker,
} from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, FakeClock, type FilterHarness } from '../../core/testing/index.js';
import { configSchema, RetryFilterConfig } from './config.js';
import factory from './factory.js';
import { RetryFilter } from './filter.js';

const FIRST_BYTE_MS = 120_000;

class StubRequest {
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
class ScriptedAttempt implements StreamFilter {
  readonly callbacks: StreamFilterCallbacks;
  readonly #bench: Bench;
  headers: RequestHeaders | undefined = undefined;
  request: InferenceRequest | undefined = undefined;
  worker: Worker | undefined = undefined;
  atMs = 0;
  destroyed = false;
  /** Pauses less resumes. */
  paused = 0;

  constructor(bench: Bench, callbacks: StreamFilterCallbacks) {
    this.#bench = bench;
    this.callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.headers = headers;
    if (endStream) this.#begin();
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.request = request;
    this.#begin();
    return FilterTrailersStatus.StopIteration;
  }

  onDestroy(): void {
    this.destroyed = true;
  }

  #begin(): void {
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
    this.callbacks.addDownstreamWatermarkCallbacks({
      onAboveWriteBufferHighWatermark: () => {
        this.paused += 1;
      },
      onBelowWriteBufferLowWatermark: () => {
        this.paused -= 1;
      },
    });
    this.#bench.onAttempt(this, attempts.length - 1);
  }

  head(status: number, flat: string[] = [], endStream = false): void {
    if (this.callbacks.run.attempt !== undefined) this.callbacks.run.attempt.status = status;
    this.callbacks.encodeHeaders(new ResponseHeaders(status, flat), endStream);
  }

  data(text: string, endStream = false): void {
    this.callbacks.encodeData(Buffer.from(text), endStream);
  }

  answer(status: number, body: string, flat: string[] = []): void {
    this.head(status, flat);
    this.data(body, true);
  }

  fail(code: ErrorCode, retryAfterMs?: number): void {
    if (this.callbacks.run.attempt !== undefined) this.callbacks.run.attempt.error = code;
    this.callbacks.sendLocalReply(new GatewayError(code, code, retryAfterMs === undefined ? {} : { retryAfterMs }));
  }
}

interface Bench {
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

interface BenchOptions {
  readonly workers?: number;
  readonly config?: unknown;
  readonly deadlineMs?: number;
  /** First-byte limit of the run; without it that of the cluster holds. */
  readonly firstByteMs?: number;
  readonly body?: boolean;
  readonly shared?: RetryFilterConfig;
}

function createBench(options: BenchOptions = {}): Bench {
  const clock = new FakeClock();
  const stats = new StatsStore();
  const workers = Array.from({ length: options.workers ?? 3 }, () => ({ available: true, workerType: 'regular' }));
  const timeouts = { connectMs: 0, firstByteMs: FIRST_BYTE_MS, idleMs: 0, requestMs: 0 };
  const cluster = { timeouts, candidates: () => workers } as unknown as Cluster;
  const shared =
    options.shared ?? new RetryFilterConfig(configSchema.parse(options.config ?? {}), clock, stats, () => 0.5);
  const attempts: ScriptedAttempt[] = [];
  const request = new StubRequest();
  const headers = chatRequestHeaders('x-a', '1');
  let top: StreamFilterCallbacks | undefined;
  /** Stands for everything above. */
  class StubTop implements StreamFilter {
    decodeHeaders(_headers: unknown, endStream: boolean): FilterHeadersStatus {
      const { run } = top as StreamFilterCallbacks;
      run.cluster = cluster;
      if (options.firstByteMs !== undefined) run.timeouts = { ...timeouts, firstByteMs: options.firstByteMs };
      return endStream ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopAllIterationAndWatermark;
    }
  }
  const topFactory = (callbacks: StreamFilterCallbacks): StreamFilter => {
    top = callbacks;
    return new StubTop();
  };
  const bench: Bench = {
    workers: workers as unknown as readonly Worker[],
    attempts,
    clock,
    stats,
    headers,
    request,
    onAttempt: () => {},
    harness: createFilterHarness(
      [
        { name: 'top', factory: topFactory },
        { name: 'retry', nesting: true, factory: (callbacks) => new RetryFilter(shared, callbacks) },
      ],
      {
        terminal: (callbacks) => new ScriptedAttempt(bench, callbacks),
        prepare: (info) => {
          if (options.deadlineMs !== undefined) info.deadlineMs = clock.monotonicMs() + options.deadlineMs;
        },
      },
    ),
    start: () => {
      const body = options.body ?? true;
      bench.harness.sendHeaders(headers, !body);
      if (body) top?.continueWithRequest(request as unknown as InferenceRequest);
    },
    get last() {
      return attempts.at(-1) as ScriptedAttempt;
    },
  };
  return bench;
}

function setAvailable(worker: Worker | undefined, available: boolean): void {
  (worker as { available: boolean }).available = available;
}

function assertClean(bench: Bench): void {
  assert.deepEqual(bench.harness.exceptions, []);
  assert.equal(bench.clock.pendingTimers, 0, 'a timer is left');
  for (const [index, attempt] of bench.attempts.entries())
    assert.ok(attempt.destroyed, `attempt ${index} is left open`);
  assert.ok(bench.harness.response.runEnded);
}

function assertAnswer(bench: Bench, status: number, body: string | RegExp, attempts: number): void {
  const { response } = bench.harness;
  assert.equal(response.headers?.status, status);
  if (typeof body === 'string') assert.equal(response.body, body);
  else assert.match(response.body, body);
  assert.equal(response.ends, 1);
  assert.equal(bench.attempts.length, attempts);
  assertClean(bench);
}

// ── one attempt ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('a good answer passes as it comes, framing and trailers included', () => {
  const bench = createBench();
  bench.start();
  bench.last.head(200, ['x', 'y']);
  bench.last.data('a');
  assert.equal(bench.harness.response.body, 'a');
  bench.last.data('b');
  bench.last.callbacks.encodeTrailers(new HeaderMap(['t', '1']));
  assertAnswer(bench, 200, 'ab', 1);
  assert.equal(bench.harness.response.trailers?.get('t'), '1');
});

test('deltas pass', () => {
  const bench = createBench();
  bench.start();
  bench.last.callbacks.encodeHeaders(new ResponseHeaders(200, [], 'deltas'), false);
  bench.last.callbacks.encodeDelta({ kind: 'content', choice: 0, text: 'a' }, false);
  bench.last.callbacks.encodeDelta({ kind: 'finish', choice: 0, reason: 'stop' }, true);
  assert.equal(bench.harness.response.deltas.length, 2);
  assertClean(bench);
});

test('requests without a body go through too', () => {
  const bench = createBench({ body: false });
  bench.start();
  assert.equal(bench.last.request, undefined);
  bench.last.fail('upstream_reset');
  bench.last.answer(200, 'ok');
  assertAnswer(bench, 200, 'ok', 2);
});

test('statuses that no other try would mend are final', () => {
  for (const status of [400, 401, 404, 413, 422, 501]) {
    const bench = createBench();
    bench.start();
    bench.last.answer(status, 'no');
    assertAnswer(bench, status, 'no', 1);
  }
});

test('nothing is retried after the head went down', () => {
  const bench = createBench();
  bench.start();
  bench.last.head(200);
  bench.last.fail('upstream_reset');
  assert.equal(bench.attempts.length, 1);
  assert.equal(bench.harness.response.error?.code, 'upstream_reset');
  assert.equal(bench.harness.response.ends, 0);
  assertClean(bench);
});

// ── further attempts ──────────────────────────────────────────────────────────────────────────────────────────────────

test('every attempt gets its own copy of head and request', () => {
  const bench = createBench({ config: { attempts: 2 } });
  bench.start();
  bench.last.headers?.set('x-a', 'changed');
  bench.last.fail('upstream_reset');
  const [first, second] = bench.attempts as [ScriptedAttempt, ScriptedAttempt];
  assert.equal(second.headers?.get('x-a'), '1');
  assert.equal((first.request as unknown as StubRequest).forkOf, bench.request);
  assert.notEqual(first.request, second.request);
});

for (const failure of [
  503,
  502,
  500,
  429,
  408,
  'upstream_connect_failed',
  'upstream_reset',
  'upstream_protocol_error',
] as const) {
  test(`after ${failure} another worker is tried at once`, () => {
    const bench = createBench();
    bench.start();
    if (typeof failure === 'number') bench.last.answer(failure, 'bad', ['retry-after', '3600']);
    else bench.last.fail(failure);
    assert.equal(bench.attempts.length, 2);
    assert.notEqual(bench.attempts[0]?.worker, bench.attempts[1]?.worker);
    bench.last.answer(200, 'good');
    assertAnswer(bench, 200, 'good', 2);
  });
}

test('an attempt that fails before openInner returns is followed by the next', () => {
  const bench = createBench();
  bench.onAttempt = (attempt, index) => {
    if (index === 0) attempt.answer(503, 'bad');
    else if (index === 1) attempt.fail('upstream_connect_failed');
    else attempt.answer(200, 'good');
  };
  bench.start();
  assertAnswer(bench, 200, 'good', 3);
});

test('the same worker is waited for, longer each time', () => {
  const bench = createBench({ workers: 1 });
  bench.start();
  const startMs = bench.clock.monotonicMs();
  for (let i = 0; i < 4; i++) {
    bench.last.fail('upstream_reset');
    bench.clock.advance(1000);
  }
  bench.last.fail('upstream_reset');
  const gaps = bench.attempts.map((attempt) => attempt.atMs - startMs - 1000 * bench.attempts.indexOf(attempt));
  assert.deepEqual(gaps, [0, 50 - 1000, 75 - 1000, 112 - 1000, 168 - 1000]);
  assertAnswer(bench, 502, /upstream_reset/, 5);
});

test('waits begin when every worker has been tried', () => {
  const bench = createBench({ workers: 2 });
  bench.start();
  bench.last.fail('upstream_reset');
  bench.last.fail('upstream_reset');
  assert.equal(bench.attempts.length, 2);
  bench.clock.advance(49);
  assert.equal(bench.attempts.length, 2);
  bench.clock.advance(1);
  assert.equal(bench.attempts.length, 3);
});

test('a 500 is tried again on every worker once, and never on the same one', () => {
  const bench = createBench({ workers: 3 });
  bench.onAttempt = (attempt, index) => attempt.answer(500, `answer ${index}`);
  bench.start();
  assertAnswer(bench, 500, 'answer 2', 3);
});

test('no available worker is waited for as well', () => {
  const bench = createBench({ workers: 1 });
  setAvailable(bench.workers[0], false);
  bench.start();
  assert.equal(bench.attempts.length, 1);
  setAvailable(bench.workers[0], true);
  bench.clock.advance(50);
  bench.last.answer(200, 'ok');
  assertAnswer(bench, 200, 'ok', 2);
});

// ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a silent worker costs one first-byte limit', () => {
  const bench = createBench({ workers: 3 });
  bench.start();
  bench.clock.advance(FIRST_BYTE_MS - 1);
  bench.last.fail('upstream_timeout');
  assertAnswer(bench, 504, /upstream_timeout/, 1);
});

test('the first-byte limit of the route is the one that counts', () => {
  const bench = createBench({ firstByteMs: 5000 });
  bench.start();
  bench.clock.advance(5000);
  bench.last.fail('upstream_timeout');
  assertAnswer(bench, 504, /upstream_timeout/, 1);
  const patient = createBench({ firstByteMs: 2 * FIRST_BYTE_MS });
  patient.start();
  patient.clock.advance(FIRST_BYTE_MS);
  patient.last.fail('upstream_timeout');
  patient.last.answer(200, 'ok');
  assertAnswer(patient, 200, 'ok', 2);
});

test('a timeout with most of the first-byte limit left (connecting) goes to another worker', () => {
  const bench = createBench();
  bench.start();
  bench.clock.advance(10_000);
  bench.last.fail('upstream_timeout');
  bench.last.answer(200, 'ok');
  assertAnswer(bench, 200, 'ok', 2);
});

test('no attempt begins after the total deadline', () => {
  const bench = createBench({ workers: 1, deadlineMs: 100 });
  bench.start();
  bench.last.fail('upstream_reset');
  bench.clock.advance(50);
  bench.last.fail('upstream_reset');
  assertAnswer(bench, 502, /upstream_reset/, 2);
});

test('Retry-After of the worker is waited for when there is no other', () => {
  const bench = createBench({ workers: 1 });
  bench.start();
  bench.last.answer(429, 'full', ['retry-after', '2']);
  bench.clock.advance(1999);
  assert.equal(bench.attempts.length, 1);
  bench.clock.advance(1);
  bench.last.answer(200, 'ok');
  assertAnswer(bench, 200, 'ok', 2);
});

test('a Retry-After beyond the longest wait or the deadline goes to the client', () => {
  for (const options of [{ workers: 1 }, { workers: 1, deadlineMs: 2000 }]) {
    const bench = createBench(options);
    bench.start();
    const seconds = options.deadlineMs === undefined ? '31' : '2';
    bench.last.answer(429, 'full', ['retry-after', seconds]);
    assertAnswer(bench, 429, 'full', 1);
    assert.equal(bench.harness.response.headers?.get('retry-after'), seconds);
  }
});

test('Retry-After of a rate limit that a backend reports counts, the gateway’s own does not', () => {
  const relayed = createBench({ workers: 1 });
  relayed.start();
  relayed.last.fail('upstream_rate_limited', 60_000);
  assertAnswer(relayed, 429, /upstream_rate_limited/, 1);
  const own = createBench({ workers: 1 });
  own.start();
  own.last.fail('overloaded', 60_000);
  own.clock.advance(50);
  assert.equal(own.attempts.length, 2);
});

test('the budget is shared by all requests and counted when it refuses', () => {
  const clock = new FakeClock();
  const stats = new StatsStore();
  const config = configSchema.parse({ budget: { ratio: 0.5, min_per_second: 0 } });
  const shared = new RetryFilterConfig(config, clock, stats, () => 0.5);
  const run = (): Bench => {
    const bench = createBench({ shared });
    bench.start();
    bench.last.fail('upstream_reset');
    return bench;
  };
  const benches = [run(), run(), run(), run()];
  assert.deepEqual(
    benches.map((bench) => bench.attempts.length),
    [1, 2, 1, 2],
  );
  const refused = stats.counter({ name: 'smg_retry_budget_exhausted_total', help: '' }).with();
  assert.equal((refused as unknown as { value: number }).value, 2);
});

test('a connection that was not made in time counts as connect and as timeout', () => {
  const error = new GatewayError('upstream_timeout', 'slow', { details: 'connect_timeout' });
  const other = new GatewayError('upstream_timeout', 'slow', { details: 'first_byte_timeout' });
  const retried = (when: string[]) => {
    const shared = new RetryFilterConfig(configSchema.parse({ when }), new FakeClock(), new StatsStore());
    return [shared.retriesError(error), shared.retriesError(other)];
  };
  assert.deepEqual(retried(['connect']), [true, false]);
  assert.deepEqual(retried(['timeout']), [true, true]);
  assert.deepEqual(retried(['reset']), [false, false]);
});

test('only the configured failures are retried', () => {
  const cases = [
    [['connect'], 'upstream_reset', 1],
    [['connect'], 'upstream_connect_failed', 2],
    [['reset'], 'upstream_protocol_error', 2],
    [['5xx'], 'upstream_timeout', 1],
    [['5xx'], 'no_available_workers', 2],
    [[429], 'upstream_rate_limited', 2],
    [[503], 502, 1],
    [['5xx'], 502, 2],
    [['5xx'], 501, 1],
    [[404], 404, 2],
  ] as const;
  for (const [when, failure, attempts] of cases) {
    const bench = createBench({ config: { when: [...when] } });
    bench.start();
    if (typeof failure === 'number') bench.last.answer(failure, 'bad');
    else bench.last.fail(failure);
    assert.equal(bench.attempts.length, attempts, `${when} on ${failure}`);
  }
});

// ── which answer the client gets ──────────────────────────────────────────────────────────────────────────────────────

test('an answer of a worker wins over later errors of the gateway', () => {
  const bench = createBench({ workers: 2, config: { attempts: 2 } });
  bench.start();
  bench.last.answer(503, '{"error":"loading"}', ['content-type', 'application/json']);
  bench.last.fail('upstream_connect_failed');
  assertAnswer(bench, 503, '{"error":"loading"}', 2);
  assert.equal(bench.harness.response.headers?.get('content-type'), 'application/json');
});

test('an answer set aside that is still coming is passed on as it comes', () => {
  const bench = createBench({ workers: 2, config: { attempts: 2 } });
  bench.start();
  const first = bench.last;
  first.head(503);
  first.data('load');
  bench.last.fail('upstream_connect_failed');
  assert.equal(bench.harness.response.body, 'load');
  first.data('ing', true);
  assertAnswer(bench, 503, 'loading', 2);
});

test('the last of several answers is the one', () => {
  const bench = createBench({ workers: 2 });
  bench.start();
  bench.last.answer(503, 'first');
  bench.last.answer(503, 'second');
  for (let i = 0; i < 3; i++) {
    bench.clock.advance(200);
    bench.last.fail('upstream_reset');
  }
  assertAnswer(bench, 503, 'second', 5);
});

test('an answer set aside that broke is as if it had not been', () => {
  const bench = createBench({ workers: 2, config: { attempts: 2 } });
  bench.start();
  const first = bench.last;
  first.head(503);
  first.fail('upstream_reset');
  bench.last.fail('upstream_connect_failed');
  assertAnswer(bench, 502, /upstream_connect_failed/, 2);
});

test('what a worker did says more than that none is left', () => {
  const bench = createBench({ workers: 1 });
  bench.start();
  setAvailable(bench.workers[0], false);
  bench.last.fail('upstream_connect_failed');
  bench.clock.advance(10_000);
  assertAnswer(bench, 502, /upstream_connect_failed/, 5);
});

test('an answer set aside holds little: its worker is paused, and resumed when it is passed on', () => {
  const bench = createBench({ workers: 2, config: { attempts: 2 } });
  bench.start();
  const first = bench.last;
  first.head(503);
  first.data('x'.repeat(64 * 1024));
  assert.equal(first.paused, 0);
  first.data('x');
  assert.equal(first.paused, 1);
  bench.last.fail('upstream_reset');
  assert.equal(first.paused, 0);
  first.data('', true);
  assertAnswer(bench, 503, 'x'.repeat(64 * 1024 + 1), 2);
});

test('an answer set aside is ended as soon as a better one comes', () => {
  const bench = createBench({ workers: 2 });
  bench.start();
  const first = bench.last;
  first.head(503);
  bench.last.head(200);
  assert.ok(first.destroyed);
  bench.last.data('ok', true);
  assertAnswer(bench, 200, 'ok', 2);
});

test('an answer set aside before openInner returned is ended as well', () => {
  const bench = createBench({ workers: 2 });
  bench.onAttempt = (attempt, index) => attempt.head(index === 0 ? 503 : 200);
  bench.start();
  assert.ok(bench.attempts[0]?.destroyed);
  bench.last.data('ok', true);
  assertAnswer(bench, 200, 'ok', 2);
});

// ── the client ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a slow client pauses the worker that answers', () => {
  const bench = createBench();
  bench.start();
  bench.last.fail('upstream_reset');
  bench.last.head(200);
  bench.harness.manager.onAboveWriteBufferHighWatermark();
  assert.equal(bench.last.paused, 1);
  bench.harness.manager.onBelowWriteBufferLowWatermark();
  assert.equal(bench.last.paused, 0);
});

test('a client that leaves during a wait ends everything', () => {
  const bench = createBench({ workers: 1 });
  bench.start();
  bench.last.head(503);
  assert.equal(bench.clock.pendingTimers, 1);
  bench.harness.reset();
  assertClean(bench);
  assert.equal(bench.attempts.length, 1);
});

// ── anything at all ───────────────────────────────────────────────────────────────────────────────────────────────────

type Outcome =
  | { readonly kind: 'answer' | 'head'; readonly status: number }
  | { readonly kind: 'fail'; readonly code: ErrorCode };

const arbitraryOutcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('answer' as const, 'head' as const),
    status: fc.constantFrom(200, 400, 429, 500, 503, 503, 502),
  }),
  fc.record({
    kind: fc.constant('fail' as const),
    code: fc.constantFrom<ErrorCode>(
      'upstream_reset',
      'upstream_connect_failed',
      'upstream_timeout',
      'internal',
      'overloaded',
    ),
  }),
);

const arbitraryStep = fc.record({
  outcome: arbitraryOutcome,
  /** Inside the call that opens the attempt. */
  atOnce: fc.boolean(),
  /** Longer than the longest wait, so that every turn moves something. */
  afterMs: fc.integer({ min: 200, max: 30_000 }),
  end: fc.constantFrom('data', 'trailers', 'fail'),
});

test('any outcomes: one answer, within the attempts, none after a head went down, nothing left open', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryStep, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 2, max: 5 }),
      fc.integer({ min: 0, max: 3 }),
      fc.option(fc.nat(12)),
      (steps, attempts, workers, leaveAfter) => {
        const bench = createBench({ workers, config: { attempts }, deadlineMs: 90_000 });
        const { response } = bench.harness;
        const play = (attempt: ScriptedAttempt, outcome: Outcome): void => {
          if (outcome.kind === 'fail') attempt.fail(outcome.code);
          else if (outcome.kind === 'answer') attempt.answer(outcome.status, `body ${outcome.status}`);
          else attempt.head(outcome.status);
        };
        const stepOf = (index: number) => steps[index % steps.length] as (typeof steps)[number];
        bench.onAttempt = (attempt, index) => {
          assert.equal(response.headers, undefined, 'an attempt after the head went down');
          if (stepOf(index).atOnce) play(attempt, stepOf(index).outcome);
        };
        bench.start();
        for (let turn = 0; turn < 30 && !response.runEnded; turn++) {
          if (turn === leaveAfter) bench.harness.reset();
          bench.clock.advance(stepOf(turn).afterMs);
          const open = bench.attempts.filter((attempt) => !attempt.destroyed);
          const attempt = open[turn % Math.max(open.length, 1)];
          if (attempt === undefined) continue;
          const step = stepOf(bench.attempts.indexOf(attempt));
          const begun =
            attempt.callbacks.run.attempt?.status !== 0 || attempt.callbacks.run.attempt.error !== undefined;
          if (!begun) play(attempt, step.outcome);
          else if (step.end === 'data') attempt.data('end', true);
          else if (step.end === 'trailers') attempt.callbacks.encodeTrailers(new HeaderMap());
          else attempt.fail('upstream_reset');
        }
        const left = leaveAfter !== null && response.ends === 0 && response.error === undefined;
        assert.ok(bench.attempts.length <= attempts);
        assert.equal(response.ends + (response.error === undefined ? 0 : 1), left ? 0 : 1);
        assertClean(bench);
      },
    ),
    { numRuns: 400 },
  );
});

// ── config ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('defaults', () => {
  assert.deepEqual(configSchema.parse({}), {
    attempts: 5,
    backoff: { initial: 50, max: 30_000, factor: 1.5, jitter: 0.2 },
    when: ['connect', 'reset', 'timeout', '5xx', 408, 429],
    budget: { ratio: 0.2, min_per_second: 10 },
  });
});

test('impossible settings are refused', () => {
  for (const config of [
    { attempts: 0 },
    { attempts: 1.5 },
    { backoff: { initial: '0ms' } },
    { backoff: { initial: '1s', max: '500ms' } },
    { backoff: { initial: 50 } },
    { backoff: { factor: 0.9 } },
    { backoff: { jitter: 1.1 } },
    { when: ['4xx'] },
    { when: [200] },
    { budget: { ratio: -1 } },
    { max_attempts: 3 },
  ]) {
    assert.equal(configSchema.safeParse(config).success, false, JSON.stringify(config));
  }
});

test('with one attempt, or nothing to retry, the filter compiles out', async () => {
  const create = (config: unknown) =>
    factory.create(configSchema.parse(config), { onDispose() {} }, new FakeClock(), new StatsStore());
  assert.equal(await create({ attempts: 1 }), undefined);
  assert.equal(await create({ when: [] }), undefined);
  assert.equal(typeof (await create({})), 'function');
});

test('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([^`]*)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.name, 'retry');
  const settings = configSchema.parse(entry.config);
  assert.deepEqual([settings.attempts, settings.backoff.max, settings.when.at(-1)], [3, 5000, 429]);
});
