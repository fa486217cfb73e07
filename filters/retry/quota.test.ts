import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_QUOTA_BODY_BYTES, saysInsufficientQuota } from './quota.js';
import { assertAnswer, assertClean, createBench } from './retry-bench.fixture.js';

const NO_MONEY =
  '{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}';
const TOO_FAST =
  '{"error":{"message":"Rate limit reached, not insufficient_quota","type":"requests","code":"rate_limit_exceeded"}}';

describe('retry: a 429 of a cloud API', () => {
  it('that says that the account is empty is final, however its body is cut', () => {
    for (let at = 0; at <= NO_MONEY.length; at += 7) {
      const bench = createBench({ external: true });
      bench.start();
      bench.last.head(429, ['content-type', 'application/json']);
      bench.last.data(NO_MONEY.slice(0, at));
      assert.equal(bench.harness.response.headers, undefined);
      bench.last.data(NO_MONEY.slice(at), true);
      assertAnswer(bench, 429, NO_MONEY, 1);
    }
  });

  it('that says anything else goes to the next worker, and is the answer when none is better', () => {
    const bench = createBench({ external: true, workers: 2, config: { attempts: 2 } });
    bench.start();
    bench.last.answer(429, TOO_FAST);
    assert.equal(bench.attempts.length, 2);
    bench.last.fail('upstream_connect_failed');
    assertAnswer(bench, 429, TOO_FAST, 2);
  });

  it('without a body, or with a longer one than any error, is like any other', () => {
    const bench = createBench({ external: true, workers: 3, config: { attempts: 3 } });
    bench.start();
    bench.last.head(429, [], true);
    assert.equal(bench.attempts.length, 2);
    const long = bench.last;
    long.head(429);
    long.data('x'.repeat(MAX_QUOTA_BODY_BYTES));
    assert.equal(bench.attempts.length, 2);
    long.data('x');
    assert.equal(bench.attempts.length, 3);
    bench.last.answer(200, 'ok');
    assertAnswer(bench, 200, 'ok', 3);
  });

  it('whose body breaks off is a broken answer', () => {
    const bench = createBench({ external: true, workers: 2 });
    bench.start();
    bench.last.head(429);
    bench.last.data(NO_MONEY.slice(0, 20));
    bench.last.fail('upstream_reset');
    assert.equal(bench.attempts.length, 2);
    bench.last.answer(200, 'ok');
    assertAnswer(bench, 200, 'ok', 2);
  });

  it('is given up with its client', () => {
    const bench = createBench({ external: true, workers: 2 });
    bench.start();
    bench.last.head(429);
    bench.harness.reset();
    assertClean(bench);
  });

  it('of an engine is not waited for', () => {
    const bench = createBench({ workers: 2 });
    bench.start();
    bench.last.head(429);
    assert.equal(bench.attempts.length, 2);
    bench.last.answer(200, 'ok');
    assertAnswer(bench, 200, 'ok', 2);
  });
});

it('only the code or the type of an error says so', () => {
  assert.ok(saysInsufficientQuota(Buffer.from('{"error":{"type":"insufficient_quota"}}')));
  for (const body of [
    '',
    'insufficient_quota',
    '{"error":"insufficient_quota"}',
    '["insufficient_quota"]',
    TOO_FAST,
    'null',
  ]) {
    assert.ok(!saysInsufficientQuota(Buffer.from(body)), body);
  }
});
