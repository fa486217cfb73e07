import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StartupWait } from './startup-wait.js';
import { DEFAULT_STARTUP } from './worker-spec.js';

test('a worker that starts is found within tenths of a second, a slow one is asked every 5 s, a late one slowly', () => {
  const wait = new StartupWait({ ...DEFAULT_STARTUP, timeoutMs: 60_000 }, 1_000);
  const pauses = Array.from({ length: 7 }, () => wait.nextPauseMs(1_000, 10_000));
  assert.deepEqual(pauses, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  assert.equal(wait.nextPauseMs(58_000, 10_000), 3_000, 'the last check is at the end');
  assert.equal(wait.isOver(60_999), false);
  assert.equal(wait.isOver(61_000), true);
  assert.deepEqual([wait.nextPauseMs(61_000, 10_000), wait.nextPauseMs(61_000, 60_000)], [10_000, 30_000]);
  assert.equal(wait.cutPause(60_000, 61_000), 60_000);
});

test('a stated period counts, whatever that of health checks; without one these bound it', () => {
  const every = (checkEveryMs: number | undefined, intervalMs: number): number => {
    const wait = new StartupWait({ ...DEFAULT_STARTUP, checkEveryMs }, 0);
    for (let i = 0; i < 20; i += 1) wait.nextPauseMs(0, intervalMs);
    return wait.nextPauseMs(0, intervalMs);
  };
  assert.deepEqual([every(30_000, 10_000), every(100, 10_000)], [30_000, 100]);
  assert.deepEqual([every(undefined, 10_000), every(undefined, 100)], [5_000, 100]);
});

test('checks that follow the pauses see the end of the wait on time, and never come without a pause', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.option(fc.integer({ min: 100, max: 60_000 }), { nil: undefined }),
      fc.integer({ min: 100, max: 60_000 }),
      (timeoutMs, checkEveryMs, intervalMs) => {
        const wait = new StartupWait({ timeoutMs, delayMs: 0, checkEveryMs }, 0);
        let nowMs = 0;
        while (!wait.isOver(nowMs)) {
          const pauseMs = wait.nextPauseMs(nowMs, intervalMs);
          assert.ok(pauseMs >= 1);
          nowMs += pauseMs;
        }
        assert.equal(nowMs, timeoutMs);
      },
    ),
  );
});
