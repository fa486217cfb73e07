import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContractWorker, createContractWorkers, testPolicyContract } from '../policy-contract.js';
import { PowerOfTwoPolicy } from './plugin.js';

testPolicyContract('power_of_two', () => new PowerOfTwoPolicy());

/** Draws the given values one after another. */
function drawing(...values: number[]): () => number {
  return () => values.shift() ?? 0;
}

test('takes the less loaded of the two drawn', () => {
  const workers = createContractWorkers(3);
  (workers[0] as ContractWorker).inFlight = 5;
  (workers[1] as ContractWorker).inFlight = 4;
  assert.equal(new PowerOfTwoPolicy(drawing(0, 0)).pick(workers), workers[1]);
  assert.equal(new PowerOfTwoPolicy(drawing(0.4, 0.9)).pick(workers), workers[1]);
});

test('takes the cheaper one of equal loads, else the first drawn', () => {
  const [dear, cheap] = [new ContractWorker(0, 2), new ContractWorker(1, 1)];
  assert.equal(new PowerOfTwoPolicy(drawing(0, 0)).pick([dear, cheap]), cheap);
  const equal = createContractWorkers(2);
  assert.equal(new PowerOfTwoPolicy(drawing(0, 0)).pick(equal), equal[0]);
  assert.equal(new PowerOfTwoPolicy(drawing(0.6, 0)).pick(equal), equal[1]);
});

test('always draws two different workers, so the most loaded one is never picked', () => {
  const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.nat(), random, random, (count, at, first, second) => {
      const workers = createContractWorkers(count);
      const busiest = workers[at % count] as ContractWorker;
      busiest.inFlight = 1;
      assert.notEqual(new PowerOfTwoPolicy(drawing(first, second)).pick(workers), busiest);
    }),
    { numRuns: 200 },
  );
});

test('twenty requests that stay open spread over two workers evenly', () => {
  const workers = createContractWorkers(2);
  const policy = new PowerOfTwoPolicy();
  for (let i = 0; i < 20; i++) policy.pick(workers).acquireLoad();
  assert.deepEqual(
    workers.map((worker) => worker.inFlight),
    [10, 10],
  );
});
