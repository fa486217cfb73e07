import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAnswer, createBench, setAvailable } from './retry-bench.fixture.js';

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
