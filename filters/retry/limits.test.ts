import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, GatewayError } from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { FakeClock } from '../../core/testing/index.js';
import { configSchema, RetryFilterConfig } from './config.js';
import { assertAnswer, type Bench, createBench, FIRST_BYTE_MS } from './retry-bench.fixture.js';

test('a silent worker costs one first-byte limit', () => {
  const bench = createBench({ workers: 3 });
  bench.start();
  bench.clock.advance(FIRST_BYTE_MS - 1);
  bench.last.fail('upstream_timeout');
  assertAnswer(bench, 504, /upstream_timeout/, 1);
});

test('a copy of a request is tried once', () => {
  const bench = createBench();
  bench.harness.streamInfo.mirrored = true;
  bench.start();
  bench.last.answer(503, 'no');
  assertAnswer(bench, 503, 'no', 1);
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
  relayed.last.fail('rate_limit_exceeded', { retryAfterMs: 60_000 });
  assertAnswer(relayed, 429, /rate_limit_exceeded/, 1);
  const own = createBench({ workers: 1 });
  own.start();
  own.last.fail('overloaded', { retryAfterMs: 60_000 });
  own.clock.advance(50);
  assert.equal(own.attempts.length, 2);
});

test('a worker’s own error that a backend has read is judged by its status', () => {
  const relay = (status: number, code: ErrorCode) =>
    new GatewayError(code, 'the provider says no', { upstreamStatus: status });
  const overloaded = createBench({ workers: 2 });
  overloaded.start();
  overloaded.last.failWith(relay(529, 'overloaded'));
  assert.equal(overloaded.attempts.length, 2);
  overloaded.last.failWith(relay(401, 'invalid_api_key'));
  assertAnswer(overloaded, 401, /the provider says no/, 2);
  const broke = createBench({ workers: 2 });
  broke.start();
  broke.last.failWith(relay(429, 'insufficient_quota'));
  assertAnswer(broke, 429, /insufficient_quota/, 1);
  const single = createBench({ workers: 1 });
  single.start();
  single.last.failWith(relay(500, 'upstream_error'));
  assertAnswer(single, 500, /the provider says no/, 1);
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
    [[429], 'rate_limit_exceeded', 2],
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
