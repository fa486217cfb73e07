import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { COARSE_TICK_MS, type Timer } from '../api/clock.js';
import { SystemClock } from './system-clock.js';

const timers: Timer[] = [];
afterEach(() => {
  for (const timer of timers.splice(0)) timer.cancel();
});

/** A coarse timer as a promise of the monotonic time at which it fired. */
function coarse(clock: SystemClock, delayMs: number): Promise<number> {
  return new Promise((resolve) => {
    timers.push(clock.setCoarseTimer(delayMs, () => resolve(clock.monotonicMs())));
  });
}

/** Keeps the event loop alive: the clock's own timers do not. */
async function holdLoop<T>(promise: Promise<T>): Promise<T> {
  const guard = setInterval(() => {}, 1_000);
  try {
    return await promise;
  } finally {
    clearInterval(guard);
  }
}

test('monotonic time never goes back; wall time is a date', () => {
  const clock = new SystemClock();
  let last = clock.monotonicMs();
  for (let i = 0; i < 1_000; i += 1) {
    const now = clock.monotonicMs();
    assert.ok(now >= last);
    last = now;
  }
  assert.ok(clock.nowMs() > Date.UTC(2024, 0, 1));
});

test('a coarse timer never fires early, and fires once', async () => {
  const clock = new SystemClock();
  for (const delayMs of [0, 1, COARSE_TICK_MS, COARSE_TICK_MS * 2 + 7]) {
    const startedMs = clock.monotonicMs();
    const firedMs = await holdLoop(coarse(clock, delayMs));
    assert.ok(firedMs - startedMs >= delayMs, `${firedMs - startedMs} >= ${delayMs}`);
  }
  let fired = 0;
  timers.push(clock.setCoarseTimer(1, () => (fired += 1)));
  await sleep(COARSE_TICK_MS * 4);
  assert.equal(fired, 1);
});

test('a cancelled timer does not fire; cancelling twice, or after the end, does nothing', async () => {
  const clock = new SystemClock();
  let fired = 0;
  const cancelled = clock.setCoarseTimer(1, () => (fired += 1));
  const kept = clock.setCoarseTimer(1, () => (fired += 100));
  const exact = clock.setTimer(1, () => (fired += 1));
  cancelled.cancel();
  cancelled.cancel();
  exact.cancel();
  await sleep(COARSE_TICK_MS * 3);
  assert.equal(fired, 100);
  kept.cancel();
  // The wheel still counts right: a timer set now fires although others were cancelled more than once.
  await holdLoop(coarse(clock, 1));
});

test('a callback may cancel its neighbour and set a new timer', async () => {
  const clock = new SystemClock();
  const order: string[] = [];
  let second: Timer | undefined;
  const done = new Promise<void>((resolve) => {
    clock.setCoarseTimer(1, () => {
      order.push('first');
      second?.cancel();
      clock.setCoarseTimer(0, () => {
        order.push('third');
        resolve();
      });
    });
  });
  second = clock.setCoarseTimer(1, () => order.push('second'));
  await holdLoop(done);
  assert.deepEqual(order, ['first', 'third']);
});

test('the wheel starts again after it has run empty', async () => {
  const clock = new SystemClock();
  await holdLoop(coarse(clock, 1));
  await sleep(COARSE_TICK_MS * 3);
  await holdLoop(coarse(clock, 1));
});

test('a delay longer than a turn of the wheel does not fire in the first turn', async () => {
  const clock = new SystemClock();
  let fired = false;
  timers.push(clock.setCoarseTimer(512 * COARSE_TICK_MS, () => (fired = true)));
  timers.push(clock.setCoarseTimer(Number.POSITIVE_INFINITY, () => (fired = true)));
  timers.push(clock.setTimer(Number.POSITIVE_INFINITY, () => (fired = true)));
  await sleep(COARSE_TICK_MS * 4);
  assert.equal(fired, false);
});

test('an exact timer fires after its delay', async () => {
  const clock = new SystemClock();
  const startedMs = clock.monotonicMs();
  const firedMs = await holdLoop(
    new Promise<number>((resolve) => {
      clock.setTimer(20, () => resolve(clock.monotonicMs()));
    }),
  );
  // Node counts whole milliseconds: up to one may be missing.
  assert.ok(firedMs - startedMs >= 19);
});
