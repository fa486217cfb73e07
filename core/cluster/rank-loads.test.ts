import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RankLoads } from './rank-loads.js';

test('idle ranks take turns', () => {
  const ranks = new RankLoads(3);
  const picks = Array.from({ length: 6 }, () => {
    const rank = ranks.acquire();
    ranks.release(rank);
    return rank;
  });
  assert.deepEqual(picks, [0, 1, 2, 0, 1, 2]);
});

test('always a rank that nobody undercuts', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), fc.array(fc.nat(9)), (size, steps) => {
      const ranks = new RankLoads(size);
      const model = new Array<number>(size).fill(0);
      const held: number[] = [];
      for (const step of steps) {
        const released = step < 4 ? held.splice(step, 1)[0] : undefined;
        if (released !== undefined) {
          ranks.release(released);
          model[released] = (model[released] as number) - 1;
          continue;
        }
        const rank = ranks.acquire();
        assert.equal(model[rank], Math.min(...model));
        model[rank] = (model[rank] as number) + 1;
        held.push(rank);
      }
    }),
  );
});
