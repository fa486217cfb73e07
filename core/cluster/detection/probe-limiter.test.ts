import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../testing/fake-clock.js';
import { type ProbeLane, ProbeLimiter, type ProbePlace } from './probe-limiter.js';

const UNPACED = { perSecond: 1e9, burst: 1e9 };

test('places are bounded, first come first served, and hosts that may be down never take all of them', () => {
  const limiter = new ProbeLimiter(new FakeClock(), { maxRunning: 2, maxRecovering: 1, ...UNPACED });
  const started: string[] = [];
  const places = new Map<string, ProbePlace>();
  const enter = (name: string, lane: ProbeLane): (() => void) =>
    limiter.enter(lane, (place) => {
      started.push(name);
      places.set(name, place);
    });
  enter('down-1', 'recovering');
  enter('down-2', 'recovering');
  enter('up-1', 'keeping');
  const leave = enter('up-2', 'keeping');
  enter('up-3', 'keeping');
  assert.deepEqual(started, ['down-1', 'up-1']);
  leave();
  places.get('up-1')?.release();
  places.get('up-1')?.release();
  assert.deepEqual(started, ['down-1', 'up-1', 'up-3']);
  places.get('down-1')?.release();
  assert.deepEqual(started, ['down-1', 'up-1', 'up-3', 'down-2']);
  assert.equal(limiter.waiting, 0);
});

test('under any schedule the bounds hold, nobody is forgotten, and counts return to zero', () => {
  const step = fc.constantFrom<ProbeLane | 'release' | 'leave'>(
    'first',
    'urgent',
    'keeping',
    'recovering',
    'release',
    'leave',
  );
  const steps = fc.array(fc.tuple(step, fc.nat()), { maxLength: 100 });
  fc.assert(
    fc.property(steps, (list) => {
      const limiter = new ProbeLimiter(new FakeClock(), { maxRunning: 3, maxRecovering: 2, ...UNPACED });
      const held: { lane: string; place: ProbePlace }[] = [];
      const leaving: (() => void)[] = [];
      for (const [step, at] of list) {
        if (step === 'release') held.splice(at % Math.max(held.length, 1), 1)[0]?.place.release();
        else if (step === 'leave') leaving[at % Math.max(leaving.length, 1)]?.();
        else leaving.push(limiter.enter(step, (place) => held.push({ lane: step, place })));
        assert.equal(limiter.running, held.length);
        assert.ok(held.length <= 3);
        assert.ok(held.filter(({ lane }) => lane === 'recovering' || lane === 'first').length <= 2);
        assert.ok(limiter.waiting === 0 || held.length >= 2, 'nobody waits while there is room for all');
      }
      while (held.length > 0) held.pop()?.place.release();
      assert.equal(limiter.running, 0);
      assert.equal(limiter.waiting, 0);
    }),
  );
});

test('so many begin a second, in turns of the lanes; first looks are not held back, and nothing ticks when none waits', () => {
  const clock = new FakeClock();
  const limiter = new ProbeLimiter(clock, { perSecond: 100, burst: 10 });
  const begun: Record<ProbeLane, number> = { first: 0, urgent: 0, keeping: 0, recovering: 0 };
  const enter = (lane: ProbeLane): (() => void) =>
    limiter.enter(lane, (place) => {
      begun[lane] += 1;
      place.release();
    });
  for (let i = 0; i < 500; i++) for (const lane of ['keeping', 'recovering', 'first'] as const) enter(lane);
  assert.deepEqual(begun, { first: 500, urgent: 0, keeping: 5, recovering: 5 });
  clock.advance(1_000);
  assert.deepEqual(begun, { first: 500, urgent: 0, keeping: 55, recovering: 55 });
  const leave = [0, 1, 2].map(() => enter('urgent'))[2];
  leave?.();
  clock.advance(50);
  assert.equal(begun.urgent, 2, 'they go first');
  clock.advance(10_000);
  assert.deepEqual(begun, { first: 500, urgent: 2, keeping: 500, recovering: 500 });
  assert.equal(clock.pendingTimers, 0);
});
