import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Worker } from '../../../core/api/index.js';
import { ContractWorker, createContractWorkers, testPolicyContract } from '../policy-contract.js';
import { RoundRobinPolicy } from './plugin.js';

testPolicyContract('round_robin', () => new RoundRobinPolicy());

function pickIds(policy: RoundRobinPolicy, candidates: readonly Worker[], count: number): string[] {
  return Array.from({ length: count }, () => Number.parseInt(policy.pick(candidates).id, 16).toString());
}

test('takes the candidates in turn, in their order', () => {
  assert.deepEqual(pickIds(new RoundRobinPolicy(), createContractWorkers(3), 7), ['0', '1', '2', '0', '1', '2', '0']);
});

test('spreads every model evenly when models alternate', () => {
  const policy = new RoundRobinPolicy();
  const [a, b] = createContractWorkers(2);
  const modelA = [a, b] as Worker[];
  const modelB = [a, b] as Worker[];
  const picks = Array.from({ length: 4 }, () => [policy.pick(modelA), policy.pick(modelB)]);
  const count = (column: number, worker: Worker | undefined): number =>
    picks.filter((pair) => pair[column] === worker).length;
  assert.deepEqual([count(0, a), count(0, b), count(1, a), count(1, b)], [2, 2, 2, 2]);
});

test('goes on after the last pick when a worker joins', () => {
  const policy = new RoundRobinPolicy();
  const fleet = createContractWorkers(4);
  assert.deepEqual(pickIds(policy, fleet.slice(0, 3), 2), ['0', '1']);
  assert.deepEqual(pickIds(policy, fleet, 4), ['2', '3', '0', '1']);
});

test('goes on with the successor when the last picked worker leaves', () => {
  const policy = new RoundRobinPolicy();
  const [a, b, c, d] = createContractWorkers(4) as readonly Worker[];
  assert.deepEqual(pickIds(policy, [a, b, c, d] as Worker[], 2), ['0', '1']);
  assert.deepEqual(pickIds(policy, [a, c, d] as Worker[], 3), ['2', '3', '0']);
});

test('stays in bounds when the list shrinks to before the cursor', () => {
  const policy = new RoundRobinPolicy();
  const fleet = createContractWorkers(4);
  pickIds(policy, fleet, 4);
  assert.deepEqual(pickIds(policy, fleet.slice(0, 1), 2), ['0', '0']);
});

test('different shares are kept exactly over a round, and no candidate waits longer than its share says', () => {
  const costs = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(costs, (shares) => {
      const workers = shares.map((share, index) => new ContractWorker(index, 1 / share));
      const policy = new RoundRobinPolicy();
      const round = shares.reduce((sum, share) => sum + share, 0);
      const picks = Array.from({ length: round * 2 }, () => workers.indexOf(policy.pick(workers) as ContractWorker));
      if (new Set(shares).size === 1) return;
      for (const [index, share] of shares.entries()) {
        assert.equal(picks.slice(0, round).filter((pick) => pick === index).length, share);
        assert.equal(picks.slice(round).filter((pick) => pick === index).length, share);
      }
    }),
  );
});
