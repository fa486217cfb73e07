import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, type ErrorCode, ResponseHeaders } from '../../core/api/index.js';
import { assertAnswer, assertClean, createBench, TIMEOUTS } from './fallback-bench.fixture.js';

test('a good answer of the first cluster passes as it comes', () => {
  const bench = createBench();
  bench.start();
  bench.last.head(200, ['x', 'y']);
  bench.last.data('a');
  assert.equal(bench.harness.response.body, 'a');
  bench.last.data('b', true);
  assertAnswer(bench, 200, 'ab', 'a');
});

for (const failure of [
  429,
  500,
  502,
  503,
  504,
  529,
  408,
  'no_available_workers',
  'model_not_found',
  'worker_overload_protection_shed',
  'upstream_connect_failed',
  'upstream_reset',
  'upstream_timeout',
  'upstream_protocol_error',
] as const) {
  test(`after ${failure} the next cluster is asked`, () => {
    const bench = createBench();
    bench.start();
    if (typeof failure === 'number') bench.last.answer(failure, 'bad');
    else bench.last.fail(failure);
    bench.last.answer(200, 'good');
    assertAnswer(bench, 200, 'good', 'ab');
  });
}

for (const status of [400, 401, 403, 404, 413, 422, 501]) {
  test(`a ${status} is the client's`, () => {
    const bench = createBench();
    bench.start();
    bench.last.answer(status, 'no');
    assertAnswer(bench, status, 'no', 'a');
  });
}

for (const [on, status] of [
  ['auth', 401],
  ['auth', 403],
  [404, 404],
  [400, 400],
  [429, 429],
  [503, 503],
] as const) {
  test(`with on: [${on}] a ${status} goes on, and a reset does not`, () => {
    const bench = createBench({ config: { to: ['b'], on: [on] } });
    bench.start();
    bench.last.answer(status, 'no');
    bench.last.answer(200, 'ok');
    assertAnswer(bench, 200, 'ok', 'ab');
    const other = createBench({ config: { to: ['b'], on: [on] } });
    other.start();
    other.last.fail('upstream_reset');
    assertAnswer(other, 502, /upstream_reset/, 'a');
  });
}

test('a worker error that was read is judged by its status', () => {
  const bench = createBench();
  bench.start();
  bench.last.fail('insufficient_quota', { upstreamStatus: 429 });
  bench.last.fail('invalid_request', { upstreamStatus: 400 });
  assertAnswer(bench, 400, /invalid_request/, 'ab');
});

test('when all fail, the last answer of a worker is the one', () => {
  const bench = createBench();
  bench.start();
  bench.last.answer(503, 'first');
  bench.last.answer(500, 'second');
  bench.last.fail('upstream_connect_failed');
  assertAnswer(bench, 500, 'second', 'abc');
});

test('that a cluster could not be asked says least', () => {
  const bench = createBench();
  bench.start();
  bench.last.fail('upstream_reset');
  bench.last.fail('unsupported_parameter');
  bench.last.fail('no_available_workers');
  assertAnswer(bench, 502, /upstream_reset/, 'abc');
});

test('a model that nobody has is named as the client did', () => {
  const bench = createBench({ config: { to: [{ cluster: 'b', model: 'secret' }] } });
  bench.start();
  bench.last.fail('model_not_found');
  bench.last.fail('model_not_found');
  assertAnswer(bench, 404, /The model `m` does not exist/, 'ab');
});

test('what the first cluster cannot carry goes on only when that is asked for', () => {
  for (const [on, asked] of [
    [undefined, 'a'],
    [['refused'], 'ab'],
  ] as const) {
    const bench = createBench({ config: { to: ['b'], ...(on === undefined ? {} : { on }) } });
    bench.onTurn = (turn, index) => (index === 0 ? turn.fail('unsupported_tool') : turn.answer(200, 'ok'));
    bench.start();
    assert.equal(bench.asked, asked);
    assertClean(bench);
  }
});

test('nothing follows a head that went down', () => {
  const bench = createBench();
  bench.start();
  bench.last.head(200);
  bench.last.fail('upstream_reset');
  assert.equal(bench.asked, 'a');
  assert.equal(bench.harness.response.error?.code, 'upstream_reset');
  assertClean(bench);
});

test('nothing follows the deadline of the request', () => {
  const bench = createBench({ deadlineMs: 100 });
  bench.start();
  bench.clock.advance(100);
  bench.last.fail('upstream_reset');
  assertAnswer(bench, 502, /upstream_reset/, 'a');
  const late = createBench();
  late.start();
  late.last.fail('upstream_timeout', { details: 'request_deadline' });
  assertAnswer(late, 504, /upstream_timeout/, 'a');
});

test('each cluster has its own limits, its own name of the model and its own copy', () => {
  const bench = createBench({ config: { to: [{ cluster: 'b', model: 'alias' }, 'c'] } });
  bench.start();
  bench.last.headers?.set('x-a', 'changed');
  bench.last.fail('upstream_reset');
  assert.equal(bench.last.headers?.get('x-a'), undefined);
  const { run } = bench.last.callbacks;
  assert.deepEqual(run.timeouts, { ...TIMEOUTS, idleMs: 'b'.charCodeAt(0), firstByteMs: 77 });
  assert.equal(bench.last.request?.bytes().toString(), '{"model":"b-model","stream":false}');
  bench.last.fail('upstream_reset');
  assert.equal(bench.last.request?.bytes().toString(), '{"model":"m","stream":false}');
  bench.last.answer(200, 'ok');
  assertAnswer(bench, 200, 'ok', 'abc');
});

test('a cluster is asked once for a model', () => {
  const bench = createBench({ config: { to: ['a', 'b', 'b', { cluster: 'a', model: 'other' }] } });
  bench.onTurn = (turn) => turn.fail('upstream_reset');
  bench.start();
  assertAnswer(bench, 502, /upstream_reset/, 'aba');
});

test('rules by cluster and model go before the rest', () => {
  const rules = [
    { clusters: ['b'], to: ['d'] },
    { clusters: ['a'], models: ['x*'], to: ['d'] },
    { models: ['m*'], to: ['c'] },
  ];
  const bench = createBench({ config: { to: ['b'], rules } });
  bench.onTurn = (turn) => turn.fail('upstream_reset');
  bench.start();
  assertAnswer(bench, 502, /upstream_reset/, 'ac');
  const rest = createBench({ config: { to: ['b'], rules: rules.slice(0, 2) } });
  rest.onTurn = (turn) => turn.fail('upstream_reset');
  rest.start();
  assertAnswer(rest, 502, /upstream_reset/, 'ab');
});

test('a copy of a request is not taken anywhere else', () => {
  const bench = createBench({ mirrored: true });
  bench.start();
  bench.last.answer(503, 'no');
  assertAnswer(bench, 503, 'no', 'a');
});

test('a cloud gets no key that nothing binds to it, another engine does', () => {
  const keyAt = (external: string[], key: string): string | undefined => {
    const bench = createBench({ external, headers: ['authorization', key, 'x-provider-key-openai', 'sk-1'] });
    bench.onTurn = (turn) => turn.fail('upstream_reset');
    bench.start();
    assert.equal(bench.turns[0]?.headers?.get('authorization'), key);
    assert.equal(bench.turns[1]?.headers?.get('x-provider-key-openai'), 'sk-1');
    return bench.turns[1]?.headers?.get('authorization');
  };
  assert.equal(keyAt(['b'], 'Bearer of-the-house'), undefined);
  assert.equal(keyAt(['b'], 'Bearer sk-some-service'), undefined);
  assert.equal(keyAt(['b'], 'Bearer sk-ant-1'), 'Bearer sk-ant-1');
  assert.equal(keyAt([], 'Bearer of-the-house'), 'Bearer of-the-house');
});

test('the header tells who was asked when it may, and is not there otherwise', () => {
  const play = (attempts_header: boolean, ...outcomes: (number | ErrorCode)[]): string | undefined => {
    const bench = createBench({ config: { to: ['b', 'c'], attempts_header } });
    bench.onTurn = (turn, index) => {
      const outcome = outcomes[index] as number | ErrorCode;
      if (typeof outcome === 'number') turn.answer(outcome, 'x');
      else turn.fail(outcome);
    };
    bench.start();
    assertClean(bench);
    return bench.harness.response.headers?.get('x-smg-attempts');
  };
  assert.equal(play(false, 503, 200), undefined);
  assert.equal(play(true, 200), 'a=200');
  assert.equal(play(true, 'no_available_workers', 429, 200), 'a=unavailable, b=429, c=200');
  assert.equal(play(true, 503, 'upstream_connect_failed', 'upstream_reset'), 'a=503, b=connect, c=reset');
  assert.equal(play(true, 'upstream_connect_failed', 'upstream_reset', 'internal'), 'a=connect, b=reset, c=internal');
});

test('metrics tell from where, to where and why, and what was in vain', () => {
  const bench = createBench();
  bench.onTurn = (turn, index) => (index === 0 ? turn.answer(429, 'x') : turn.fail('no_available_workers'));
  bench.start();
  const counted = (name: string, labels: string[], ...values: string[]): unknown =>
    (bench.stats.counter({ name, help: '', labels }).with(...values) as unknown as { value: number }).value;
  const labels = ['from', 'to', 'reason'];
  assert.equal(counted('smg_fallbacks_total', labels, 'a', 'b', 'rate_limit'), 1);
  assert.equal(counted('smg_fallbacks_total', labels, 'b', 'c', 'unavailable'), 1);
  assert.equal(counted('smg_fallbacks_exhausted_total', ['cluster'], 'a'), 1);
  assertAnswer(bench, 429, 'x', 'abc');
});

test('clusters that do not exist are refused at load', () => {
  for (const [config, path] of [
    [{ to: ['b', 'x'] }, 'to.1'],
    [{ rules: [{ to: [{ cluster: 'x' }] }] }, 'rules.0.to.0'],
    [{ rules: [{ clusters: ['x'], to: ['b'] }] }, 'rules.0.clusters.0'],
  ] as const) {
    assert.throws(
      () => createBench({ config }),
      (error) => error instanceof ConfigError && error.path.join('.') === path,
    );
  }
});

test('deltas pass, and a worker that fails before its first one is followed by the next', () => {
  const bench = createBench();
  bench.start();
  bench.last.callbacks.encodeHeaders(new ResponseHeaders(503, [], 'deltas'), false);
  assert.ok(bench.turns[0]?.destroyed);
  bench.last.callbacks.encodeHeaders(new ResponseHeaders(200, [], 'deltas'), false);
  bench.last.deltas({ kind: 'content', choice: 0, text: 'a' }, { kind: 'finish', choice: 0, reason: 'stop' });
  assert.equal(bench.asked, 'ab');
  assert.equal(bench.harness.response.deltas.length, 2);
  assertClean(bench);
});
