import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import type { Logger } from '../../api/log.js';
import type { UpstreamClient } from '../../api/upstream.js';
import { HealthChecker } from '../../cluster/health-checker.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import { WorkerRegistry } from '../../cluster/worker-registry.js';
import { createWorkerSpec } from '../../cluster/worker-spec.fixture.js';
import { DEFAULT_HEALTH_CHECK, type WorkerSpec } from '../../cluster/worker-spec.js';
import { StatsStore } from '../../telemetry/stats-store.js';
import { FakeClock } from '../../testing/fake-clock.js';
import { FailedWorkerRemoval } from './failed-worker-removal.js';

const REMOVED = 'a failed worker is removed';
const KEPT = 'a failed worker is kept';
const health = { ...DEFAULT_HEALTH_CHECK, enabled: false };

/** A registry whose workers are as healthy as the test says. */
function createFleet(specs: readonly Partial<WorkerSpec>[]) {
  const clock = new FakeClock();
  const pools = { configure() {}, close() {}, sweep() {} };
  const checker = new HealthChecker({ client: {} as UpstreamClient, clock, random: () => 0.5 });
  const registry = new WorkerRegistry({ checker, pools, clock, stats: undefined });
  const removed: ManagedWorker[] = [];
  const lines: string[] = [];
  const log = { warn: (_fields: object, message: string) => lines.push(message.split(':')[0] as string) };
  const removal = new FailedWorkerRemoval({
    registry,
    logger: log as unknown as Logger,
    stats: new StatsStore(),
    remove: (worker) => {
      removed.push(worker);
      registry.expel(worker);
    },
  });
  registry.onChange((event) => removal.onWorkerEvent(event));
  const workers = registry.update(
    'test',
    specs.map((spec, index) => createWorkerSpec({ url: `http://w${index}`, health, removeFailed: true, ...spec })),
  );
  return { registry, removed, lines, workers: workers as readonly ManagedWorker[] };
}

describe('the removal of failed workers', () => {
  it('takes one out while others serve all of its models, and keeps the last of a model, which it says once', async () => {
    const fleet = createFleet([{ models: ['a', 'b'] }, { models: ['a'] }, { models: ['b'] }]);
    const [both, a, b] = fleet.workers as [ManagedWorker, ManagedWorker, ManagedWorker];
    a.setHealth('failed');
    await nextTurn();
    assert.deepEqual(fleet.removed, [a]);
    b.setHealth('unhealthy');
    both.setHealth('failed');
    await nextTurn();
    b.setHealth('failed');
    await nextTurn();
    assert.deepEqual(fleet.registry.list(), [both, b]);
    assert.deepEqual(fleet.lines, [REMOVED, KEPT, KEPT]);
    both.setHealth('healthy');
    await nextTurn();
    assert.deepEqual(fleet.registry.list(), [both]);
  });

  it('leaves alone what was not asked for, what recovers in the same turn, and other clusters', async () => {
    const fleet = createFleet([{}, { removeFailed: false }, {}, { cluster: 'other' }]);
    const [, unasked, quick, lonely] = fleet.workers as [ManagedWorker, ManagedWorker, ManagedWorker, ManagedWorker];
    unasked.setHealth('failed');
    quick.setHealth('failed');
    lonely.setHealth('failed');
    quick.setHealth('healthy');
    await nextTurn();
    assert.deepEqual([fleet.removed, fleet.lines], [[], [KEPT]]);
    fleet.registry.put('test', { ...unasked.spec(), removeFailed: true });
    await nextTurn();
    assert.deepEqual(fleet.removed, [unasked], 'a setting of a reload counts for workers that have failed before');
  });

  it('one that was never made out, or takes any model, is replaced by its like', async () => {
    const any = { models: [], runtime: 'vllm' as const };
    const fleet = createFleet([{ models: ['m'] }, { models: [], runtime: undefined }, any]);
    const [, unknown, wildcard] = fleet.workers as [ManagedWorker, ManagedWorker, ManagedWorker];
    wildcard.applyFacts({ cards: [], runtime: 'vllm', labels: {} });
    wildcard.setHealth('failed');
    await nextTurn();
    assert.deepEqual(fleet.removed, []);
    unknown.setHealth('failed');
    await nextTurn();
    assert.deepEqual(fleet.removed, [unknown]);
  });

  it('never takes the last that served a model, whatever happens', async () => {
    const models = fc.constantFrom(['a'], ['b'], ['a', 'b']);
    const step = fc.tuple(fc.nat(4), fc.constantFrom('healthy' as const, 'unhealthy' as const, 'failed' as const));
    await fc.assert(
      fc.asyncProperty(
        fc.array(models, { minLength: 2, maxLength: 5 }),
        fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 12 }),
        async (lists, turns) => {
          const fleet = createFleet(lists.map((list) => ({ models: list })));
          for (const steps of turns) {
            for (const [index, health] of steps) {
              const worker = fleet.workers[index % fleet.workers.length] as ManagedWorker;
              if (fleet.registry.list().includes(worker)) worker.setHealth(health);
            }
            const before = fleet.registry.list();
            await nextTurn();
            const left = fleet.registry.list();
            const served = new Set(left.filter((each) => each.health === 'healthy').flatMap((each) => each.models));
            for (const worker of before) {
              const replaced = worker.models.every((model) => served.has(model));
              assert.equal(
                left.includes(worker),
                !(worker.health === 'draining' || (worker.health === 'failed' && replaced)),
              );
              if (!left.includes(worker)) assert.ok(replaced && fleet.removed.includes(worker));
            }
          }
          fleet.registry.close();
        },
      ),
      { numRuns: 100 },
    );
  });
});
