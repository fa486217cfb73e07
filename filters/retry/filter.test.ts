import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderMap, ResponseHeaders } from '../../core/api/index.js';
import {
  assertAnswer,
  assertClean,
  createBench,
  type ScriptedAttempt,
  type StubRequest,
  setAvailable,
} from './retry-bench.fixture.js';

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
