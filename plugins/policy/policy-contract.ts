import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type LoadHold,
  type Policy,
  type PolicyContext,
  RequestHeaders,
  type StatusVerdict,
  type Worker,
} from '../../core/api/index.js';

/** A worker made of plain facts; its load counts as in production. */
export class ContractWorker implements Worker {
  readonly id: string;
  readonly url: string;
  readonly cluster = 'contract';
  readonly runtime = 'external';
  readonly provider = undefined;
  readonly byok = 'allow';
  readonly workerType = 'regular';
  readonly backend = 'openai_compatible';
  readonly models: readonly string[] = [];
  readonly priority = 50;
  readonly cost: number;
  readonly share: number;
  readonly maxInFlight = Number.POSITIVE_INFINITY;
  readonly overloaded = false;
  readonly labels: Readonly<Record<string, string>> = {};
  readonly apiKey = undefined;
  readonly health = 'healthy';
  readonly available = true;
  inFlight = 0;

  constructor(index: number, cost = 1) {
    this.id = index.toString(16).padStart(16, '0');
    this.url = `http://worker-${index}.test:8000`;
    this.cost = cost;
    this.share = 1 / cost;
  }

  acquireLoad(): LoadHold {
    this.inFlight += 1;
    let held = true;
    return {
      worker: this,
      release: () => {
        if (held) this.inFlight -= 1;
        held = false;
      },
    };
  }

  readonly engineLoad = undefined;
  readonly inDoubt = false;

  judge(): StatusVerdict {
    return 'success';
  }

  recordContact(): void {}
  recordAnswering(): void {}
  recordOutcome(): void {}
}

/** `count` idle workers of equal cost, in a list that cannot be changed. */
export function createContractWorkers(count: number): readonly ContractWorker[] {
  return Object.freeze(Array.from({ length: count }, (_, index) => new ContractWorker(index)));
}

/** A request of which nothing but its path is known. */
export function createContractContext(model?: string): PolicyContext {
  const headers = new RequestHeaders('POST', '/v1/chat/completions', 'gateway.test', 'http');
  return { headers, request: undefined, model };
}

/**
 * What every policy must hold, whatever its algorithm; run it from the policy's own test file. `create` makes a fresh
 * instance as the definition's `create` would.
 */
export function testPolicyContract(name: string, create: () => Policy): void {
  test(`${name}: picks the only candidate`, () => {
    const policy = create();
    const workers = createContractWorkers(1);
    for (let i = 0; i < 3; i++) assert.equal(policy.pick(workers, createContractContext()), workers[0]);
  });

  test(`${name}: picks a member of the list it was given, however lists and loads change`, () => {
    const fleet = createContractWorkers(8);
    const step = fc.record({
      members: fc.subarray([...fleet], { minLength: 1 }),
      loads: fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        const policy = create();
        for (const { members, loads } of steps) {
          for (const [i, worker] of fleet.entries()) worker.inFlight = loads[i] as number;
          const before = members.slice();
          const frozen = Object.freeze(members);
          assert.ok(before.includes(policy.pick(frozen, createContractContext('m')) as ContractWorker));
          assert.deepEqual(frozen, before);
        }
      }),
      { numRuns: 50 },
    );
  });

  test(`${name}: holds no load itself`, () => {
    const policy = create();
    const workers = createContractWorkers(3);
    for (let i = 0; i < 10; i++) policy.pick(workers, createContractContext());
    assert.deepEqual(
      workers.map((worker) => worker.inFlight),
      [0, 0, 0],
    );
  });
}
