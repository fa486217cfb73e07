import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type RateLimit, RequestBuckets } from './request-buckets.js';

const limit: RateLimit = { burst: 3, intervalMs: 100 };

function create(maxKeys = 1000): { buckets: RequestBuckets; evicted: () => number } {
  let evicted = 0;
  const buckets = new RequestBuckets(() => evicted++);
  buckets.setMaxKeys(maxKeys);
  return { buckets, evicted: () => evicted };
}

/** True when it fits; takes it then. */
function ask(buckets: RequestBuckets, key: string, nowMs: number, by = limit): boolean {
  if (buckets.waitMs(key, by, nowMs) > 0) return false;
  buckets.take(key, by, nowMs);
  return true;
}

describe('RequestBuckets', () => {
  it('give the burst at once and then one per interval', () => {
    const { buckets } = create();
    assert.deepEqual(
      [0, 0, 0, 0].map((at) => ask(buckets, 'a', at)),
      [true, true, true, false],
    );
    assert.equal(buckets.waitMs('a', limit, 0), 100);
    assert.deepEqual(
      [99, 100, 100, 199, 200].map((at) => ask(buckets, 'a', at)),
      [false, true, false, false, true],
    );
    assert.deepEqual(buckets.stateOf('a', limit, 200), { remaining: 0, resetMs: 300 });
    assert.deepEqual(buckets.stateOf('a', limit, 350), { remaining: 1, resetMs: 150 });
    assert.equal(ask(buckets, 'b', 200), true);
  });

  it('do what a counter that is refilled does, at any times and limits', () => {
    const limits = fc.record({ burst: fc.integer({ min: 1, max: 20 }), intervalMs: fc.integer({ min: 1, max: 5000 }) });
    fc.assert(
      fc.property(limits, fc.array(fc.nat(3000), { maxLength: 100 }), (by, gaps) => {
        const { buckets } = create();
        // In whole interval-ths, so that the plain counter is exact.
        let credit = by.burst * by.intervalMs;
        let nowMs = 1_000;
        for (const gap of gaps) {
          nowMs += gap;
          credit = Math.min(by.burst * by.intervalMs, credit + gap);
          assert.equal(buckets.stateOf('a', by, nowMs).remaining, Math.floor(credit / by.intervalMs));
          const fits = credit >= by.intervalMs;
          const waitMs = buckets.waitMs('a', by, nowMs);
          assert.equal(waitMs, fits ? 0 : by.intervalMs - credit);
          if (fits) {
            buckets.take('a', by, nowMs);
            credit -= by.intervalMs;
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never refuse who waits as long as it was told, whatever the rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0.001, max: 1e7, noNaN: true }),
        (burst, intervalMs) => {
          const { buckets } = create();
          let nowMs = 123_456.789;
          for (let i = 0; i < 20; i++) {
            nowMs += buckets.waitMs('a', { burst, intervalMs }, nowMs);
            assert.ok(ask(buckets, 'a', nowMs, { burst, intervalMs }));
          }
        },
      ),
    );
  });

  it('keep what is owed when the limit changes', () => {
    const { buckets } = create();
    for (let i = 0; i < 3; i++) ask(buckets, 'a', 0);
    assert.equal(buckets.stateOf('a', { burst: 6, intervalMs: 100 }, 0).remaining, 3);
    assert.equal(buckets.waitMs('a', { burst: 1, intervalMs: 100 }, 0), 300);
  });

  it('drop idle ones, and remember no more keys than they may', () => {
    const { buckets, evicted } = create(100);
    for (let i = 0; i < 100; i++) ask(buckets, `idle ${i}`, 0);
    for (let i = 0; i < 60; i++) ask(buckets, `later ${i}`, 1_000);
    assert.equal(buckets.size, 60);
    assert.equal(evicted(), 0);
    for (let i = 0; i < 1_000; i++) {
      ask(buckets, `many ${i}`, 1_000);
      assert.ok(buckets.size <= 100);
    }
    assert.equal(evicted(), 960);
    buckets.setMaxKeys(10);
    ask(buckets, 'one more', 1_000);
    assert.equal(buckets.size, 10);
    assert.equal(buckets.stateOf('one more', limit, 1_000).remaining, 2);
  });
});
