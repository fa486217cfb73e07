import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Backoff } from './backoff.js';

const delays = (backoff: Backoff, count: number): number[] =>
  Array.from({ length: count }, (_, index) => backoff.delayMs(index));

test('grows by the factor, rounded down, up to the longest wait', () => {
  const plain = new Backoff({ initialMs: 50, maxMs: 30_000, factor: 1.5, jitter: 0 });
  assert.deepEqual(delays(plain, 4), [50, 75, 112, 168]);
  const capped = new Backoff({ initialMs: 100, maxMs: 250, factor: 2, jitter: 0 });
  assert.deepEqual(delays(capped, 4), [100, 200, 250, 250]);
  assert.equal(capped.delayMs(5000), 250);
});

test('jitter moves a wait by its share at most, both ways', () => {
  const at = (random: number): number =>
    new Backoff({ initialMs: 100, maxMs: 1000, factor: 1, jitter: 0.2 }, () => random).delayMs(0);
  assert.deepEqual([at(0), at(0.5), at(1 - Number.EPSILON)], [80, 100, 120]);
  const half = (random: number): number =>
    new Backoff({ initialMs: 400, maxMs: 1000, factor: 1, jitter: 0.5 }, () => random).delayMs(0);
  assert.deepEqual([half(0), half(1 - Number.EPSILON)], [200, 600]);
  const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  fc.assert(
    fc.property(fc.nat(50), fc.double({ min: 0, max: 1, noNaN: true }), random, (count, jitter, value) => {
      const settings = { initialMs: 50, maxMs: 3000, factor: 1.7 };
      const plain = new Backoff({ ...settings, jitter: 0 }).delayMs(count);
      const moved = new Backoff({ ...settings, jitter }, () => value).delayMs(count);
      assert.ok(moved >= 0 && Math.abs(moved - plain) <= Math.ceil(plain * jitter), `${plain} to ${moved}`);
    }),
    { numRuns: 200 },
  );
});
