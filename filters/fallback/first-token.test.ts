import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderMap, ResponseHeaders } from '../../core/api/index.js';
import { assertAnswer, assertClean, createBench } from './fallback-bench.fixture.js';

const EVENTS = ['content-type', 'text/event-stream'];
const config = { to: ['b'], first_token: '5s' };

test('a stream without a first token in time is given up', () => {
  const bench = createBench({ config, stream: true });
  bench.start();
  bench.clock.advance(4_999);
  assert.equal(bench.asked, 'a');
  bench.clock.advance(1);
  assert.ok(bench.turns[0]?.destroyed);
  assert.equal(bench.harness.streamInfo.attempts[0]?.error, 'first_token_deadline');
  bench.last.head(200, EVENTS);
  bench.last.data('data: x\n\n', true);
  assertAnswer(bench, 200, 'data: x\n\n', 'ab');
});

test('a head alone, and comments, are no token', () => {
  const bench = createBench({ config: { ...config, attempts_header: true }, stream: true });
  bench.start();
  bench.last.head(200, EVENTS);
  bench.last.data(': still there\n\n');
  bench.last.data('\n');
  assert.equal(bench.harness.response.chunks.length, 0);
  bench.clock.advance(5_000);
  bench.last.answer(200, 'ok', EVENTS);
  assert.equal(bench.harness.response.headers?.get('x-smg-attempts'), 'a=first_token, b=200');
  assertAnswer(bench, 200, 'ok', 'ab');
});

test('what was held comes first, once there is a token', () => {
  const bench = createBench({ config, stream: true });
  bench.start();
  bench.last.head(200, EVENTS);
  bench.last.data(': hi\n\n');
  bench.last.data(': hi\n\ndata: x\n\n');
  assert.equal(bench.clock.pendingTimers, 0);
  assert.equal(bench.harness.response.body, ': hi\n\n: hi\n\ndata: x\n\n');
  bench.clock.advance(60_000);
  bench.last.data('data: y\n\n', true);
  assertAnswer(bench, 200, ': hi\n\n: hi\n\ndata: x\n\ndata: y\n\n', 'a');
});

test('an answer that ends without a token is an answer', () => {
  for (const end of ['head', 'data', 'trailers']) {
    const bench = createBench({ config, stream: true });
    bench.start();
    bench.last.head(200, EVENTS, end === 'head');
    if (end === 'data') bench.last.data('', true);
    if (end === 'trailers') bench.last.callbacks.encodeTrailers(new HeaderMap());
    assertAnswer(bench, 200, '', 'a');
  }
});

test('comments without end are passed on when they are too many', () => {
  const bench = createBench({ config, stream: true });
  bench.start();
  bench.last.head(200, EVENTS);
  for (let i = 0; i < 65; i++) bench.last.data(`:${'x'.repeat(1024)}\n`);
  assert.equal(bench.harness.response.headers?.status, 200);
  bench.harness.reset();
  assertClean(bench);
});

test('a break after the head and before a token is followed by the next cluster', () => {
  const bench = createBench({ config, stream: true });
  bench.start();
  bench.last.head(200, EVENTS);
  bench.last.fail('upstream_reset');
  bench.last.answer(200, 'ok', EVENTS);
  assertAnswer(bench, 200, 'ok', 'ab');
});

test('deltas that say nothing are no token', () => {
  const bench = createBench({ config, stream: true });
  bench.start();
  bench.last.callbacks.encodeHeaders(new ResponseHeaders(200, [], 'deltas'), false);
  bench.last.deltas({ kind: 'start' }, { kind: 'keep_alive' });
  assert.equal(bench.harness.response.headers, undefined);
  bench.last.deltas({ kind: 'reasoning', choice: 0, text: 'hm' });
  assert.deepEqual(
    bench.harness.response.deltas.map(({ kind }) => kind),
    ['start', 'keep_alive', 'reasoning'],
  );
  bench.last.deltas({ kind: 'finish', choice: 0, reason: 'stop' });
  assert.equal(bench.asked, 'a');
  assertClean(bench);
});

test('the last cluster, an answer in one piece and on: without it have no such limit', () => {
  const last = createBench({ config: { to: ['a'], first_token: '5s' }, stream: true });
  const whole = createBench({ config, stream: false });
  const off = createBench({ config: { ...config, on: ['error'] }, stream: true });
  for (const bench of [last, whole, off]) {
    bench.start();
    assert.equal(bench.clock.pendingTimers, 0);
    bench.last.answer(200, 'ok');
    assertAnswer(bench, 200, 'ok', 'a');
  }
});

test('a client that leaves during the first or the second turn ends everything', () => {
  for (const turns of [1, 2]) {
    const bench = createBench({ config: { ...config, to: ['b', 'c'] }, stream: true });
    bench.start();
    if (turns === 2) bench.last.head(503);
    assert.equal(bench.turns.length, turns);
    assert.equal(bench.clock.pendingTimers, 1);
    bench.harness.reset();
    assertClean(bench);
  }
});
