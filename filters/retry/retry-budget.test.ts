import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUDGET_WINDOW_SECONDS, RetryBudget } from './retry-budget.js';

const START_MS = 5_000_000;

function takeAll(budget: RetryBudget, nowMs: number): number {
  let taken = 0;
  while (budget.tryTake(nowMs)) taken += 1;
  return taken;
}

test('gives the share of the requests, and no more', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 0 });
  assert.equal(takeAll(budget, START_MS), 0);
  for (let i = 0; i < 52; i++) budget.onRequest(START_MS);
  assert.equal(takeAll(budget, START_MS), 10);
});

test('gives the minimum to a quiet gateway', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 3 });
  assert.equal(takeAll(budget, START_MS), 3 * BUDGET_WINDOW_SECONDS);
  assert.equal(takeAll(budget, START_MS + 9_999), 0);
  assert.equal(takeAll(budget, START_MS + 10_000), 3 * BUDGET_WINDOW_SECONDS);
});

test('forgets requests and retries after ten seconds', () => {
  const budget = new RetryBudget({ ratio: 1, minPerSecond: 0 });
  for (let second = 0; second < 5; second++) budget.onRequest(START_MS + second * 1000);
  assert.equal(budget.tryTake(START_MS + 5000), true);
  assert.equal(takeAll(budget, START_MS + 11_000), 2);
  assert.equal(takeAll(budget, START_MS + 60_000), 0);
});

test('never lets more retries through in a window than it says', () => {
  const step = fc.record({ afterMs: fc.nat(3000), requests: fc.nat(20), tries: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(3), (steps, minPerSecond) => {
      const budget = new RetryBudget({ ratio: 0.5, minPerSecond });
      const requests: number[] = [];
      const retries: number[] = [];
      let nowMs = START_MS;
      for (const { afterMs, requests: arrived, tries } of steps) {
        nowMs += afterMs;
        const second = Math.floor(nowMs / 1000);
        const recent = (at: number): boolean => at > second - BUDGET_WINDOW_SECONDS;
        for (let i = 0; i < arrived; i++) {
          budget.onRequest(nowMs);
          requests.push(second);
        }
        for (let i = 0; i < tries; i++) {
          const allowed = requests.filter(recent).length * 0.5 + minPerSecond * BUDGET_WINDOW_SECONDS;
          const expected = retries.filter(recent).length + 1 <= allowed;
          assert.equal(budget.tryTake(nowMs), expected);
          if (expected) retries.push(second);
        }
      }
    }),
    { numRuns: 60 },
  );
});
