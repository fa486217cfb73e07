import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProbeLimiter, type ProbePlace } from './probe-limiter.js';

test('places are bounded, first come first served, and hosts that may be down never take all of them', () => {
  const limiter = new ProbeLimiter(2, 1);
  const started: string[] = [];
  const places = new Map<string, ProbePlace>();
  const enter = (name: string, lane: 'keeping' | 'recovering'): (() => void) =>
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
  const steps = fc.array(fc.tuple(fc.constantFrom('keeping', 'recovering', 'release', 'leave'), fc.nat()), {
    maxLength: 100,
  });
  fc.assert(
    fc.property(steps, (list) => {
      const limiter = new ProbeLimiter(3, 2);
      const held: { lane: string; place: ProbePlace }[] = [];
      const leaving: (() => void)[] = [];
      for (const [step, at] of list) {
        if (step === 'release') held.splice(at % Math.max(held.length, 1), 1)[0]?.place.release();
        else if (step === 'leave') leaving[at % Math.max(leaving.length, 1)]?.();
        else leaving.push(limiter.enter(step, (place) => held.push({ lane: step, place })));
        assert.equal(limiter.running, held.length);
        assert.ok(held.length <= 3);
        assert.ok(held.filter(({ lane }) => lane === 'recovering').length <= 2);
        assert.ok(limiter.waiting === 0 || held.length >= 2, 'nobody waits while there is room for all');
      }
      while (held.length > 0) held.pop()?.place.release();
      assert.equal(limiter.running, 0);
      assert.equal(limiter.waiting, 0);
    }),
  );
});
