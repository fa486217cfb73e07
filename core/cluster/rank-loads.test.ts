import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EngineLoad } from '../api/worker.js';
import { createEngineLoad, readLoads } from './engine-metrics.js';
import { RankLoads } from './rank-loads.js';

test('idle ranks take turns', () => {
  const ranks = new RankLoads(3);
  const picks = Array.from({ length: 6 }, () => {
    const rank = ranks.acquire(7);
    ranks.release(rank, 7);
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
          ranks.release(released, 7);
          model[released] = (model[released] as number) - 1;
          continue;
        }
        const rank = ranks.acquire(7);
        assert.equal(model[rank], Math.min(...model));
        model[rank] = (model[rank] as number) + 1;
        held.push(rank);
      }
    }),
  );
});

test('by tokens: always a rank with the fewest outstanding, and counts return to zero', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 8 }),
      fc.array(fc.tuple(fc.nat(9), fc.integer({ min: 1 }))),
      (size, steps) => {
        const ranks = new RankLoads(size, 'min_tokens');
        const model = new Array<number>(size).fill(0);
        const held: [rank: number, tokens: number][] = [];
        const release = ([rank, tokens]: [number, number]): void => {
          ranks.release(rank, tokens);
          model[rank] = (model[rank] as number) - tokens;
        };
        for (const [step, tokens] of steps) {
          const released = step < 4 ? held.splice(step, 1)[0] : undefined;
          if (released !== undefined) {
            release(released);
            continue;
          }
          const rank = ranks.acquire(tokens);
          assert.equal(model[rank], Math.min(...model));
          model[rank] = (model[rank] as number) + tokens;
          held.push([rank, tokens]);
        }
        held.forEach(release);
        assert.deepEqual(model, new Array(size).fill(0));
      },
    ),
  );
});

test('by tokens: what the engine reports beyond our own requests counts until it reports otherwise', () => {
  const ranks = new RankLoads(2, 'min_tokens');
  const report = (used: number, capacity: number | undefined): EngineLoad => {
    const loads = [{ dp_rank: 0, num_used_tokens: used, max_total_num_tokens: capacity }];
    const read = readLoads({ loads });
    assert.ok(read !== undefined);
    return createEngineLoad(read, { receivedMs: 0, timestampMs: 0, ownInFlight: 0 });
  };
  assert.equal(ranks.acquire(100), 0);
  ranks.observe(report(1_000, 5_000));
  assert.deepEqual(
    [ranks.acquire(600), ranks.acquire(300)],
    [1, 1],
    'rank 0 has 900 tokens of others, and 100 of ours',
  );
  assert.equal(ranks.acquire(50), 1);
  assert.equal(ranks.acquire(1), 1);
  ranks.observe(report(1_000, undefined));
  assert.equal(ranks.acquire(1), 0, 'numbers without a capacity say nothing');
  ranks.observe(report(5_000, 5_000));
  ranks.observe(undefined);
  assert.equal(ranks.acquire(1), 0, 'an old report does not');
});
