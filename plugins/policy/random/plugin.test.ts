import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContractWorker, createContractWorkers, testPolicyContract } from '../policy-contract.js';
import { RandomPolicy } from './plugin.js';

testPolicyContract('random', () => new RandomPolicy());

test('maps the whole range of random values to the candidates', () => {
  const workers = createContractWorkers(4);
  for (const [value, index] of [
    [0, 0],
    [0.249, 0],
    [0.25, 1],
    [0.5, 2],
    [1 - Number.EPSILON, 3],
  ] as const) {
    assert.equal(new RandomPolicy(() => value).pick(workers), workers[index]);
  }
});

test('reaches every candidate', () => {
  const workers = createContractWorkers(3);
  const policy = new RandomPolicy();
  const seen = new Set(Array.from({ length: 200 }, () => policy.pick(workers)));
  assert.equal(seen.size, 3);
});

test('different shares divide the range of random values', () => {
  const workers = [new ContractWorker(0, 1), new ContractWorker(1, 0.5), new ContractWorker(2, 1)];
  for (const [value, index] of [
    [0, 0],
    [0.249, 0],
    [0.251, 1],
    [0.749, 1],
    [0.751, 2],
    [1 - Number.EPSILON, 2],
  ] as const) {
    assert.equal(new RandomPolicy(() => value).pick(workers), workers[index]);
  }
});
