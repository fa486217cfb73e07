import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UpstreamClient } from '../api/upstream.js';
import type { LoadHold } from '../api/worker.js';
import { FakeClock } from '../testing/fake-clock.js';
import { HealthChecker } from './health-checker.js';
import type { ManagedWorker } from './worker.js';
import { WorkerRegistry } from './worker-registry.js';
import { createWorkerSpec } from './worker-spec.fixture.js';
import { DEFAULT_HEALTH_CHECK } from './worker-spec.js';

const SETTLE_MS = 100;
const TIMEOUT_MS = 1_000;

const SPEC = createWorkerSpec({
  health: { ...DEFAULT_HEALTH_CHECK, enabled: false },
  drain: { settleMs: SETTLE_MS, timeoutMs: TIMEOUT_MS },
});

/** What a worker that is wanted and given up again must do, said plainly. */
class Model {
  wanted = false;
  exists = false;
  holds = 0;
  drainingSinceMs = 0;
  nowMs = 0;

  want(): void {
    this.wanted = true;
    this.exists = true;
  }

  drop(): void {
    if (this.wanted) this.drainingSinceMs = this.nowMs;
    this.wanted = false;
    this.settle();
  }

  /** Whether the last requests are cut by now. */
  settle(): boolean {
    if (!this.exists || this.wanted) return false;
    const drainedMs = this.nowMs - this.drainingSinceMs;
    const cut = drainedMs >= TIMEOUT_MS && this.holds > 0;
    if (cut) this.holds = 0;
    if (drainedMs >= SETTLE_MS && this.holds === 0) this.exists = false;
    return cut;
  }
}

test('the way out of a worker is that of a plain model, whatever comes between', () => {
  const step = fc.oneof(
    fc.constantFrom('want' as const, 'drop' as const, 'acquire' as const, 'release' as const),
    fc.integer({ min: 1, max: 400 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const clock = new FakeClock();
      const pools = { configure() {}, close() {}, sweep() {} };
      const checker = new HealthChecker({ client: {} as UpstreamClient, clock, random: () => 0.5 });
      const registry = new WorkerRegistry({ checker, pools, clock, stats: undefined });
      const model = new Model();
      const holds = new Set<LoadHold>();
      let worker: ManagedWorker | undefined;
      for (const each of steps) {
        if (each === 'want') {
          registry.put('source', SPEC);
          worker = registry.list()[0];
          if (!model.exists) holds.clear();
          model.want();
        } else if (each === 'drop') {
          registry.drop('source', SPEC);
          model.drop();
        } else if (each === 'acquire' && worker?.available === true) {
          const hold: LoadHold = worker.acquireLoad({
            onWorkerCut() {
              hold.release();
              holds.delete(hold);
            },
          });
          holds.add(hold);
          model.holds += 1;
        } else if (each === 'release') {
          const [first] = holds;
          if (first !== undefined) {
            holds.delete(first);
            first.release();
            model.holds -= 1;
            model.settle();
          }
        } else if (typeof each === 'number') {
          // In steps of a millisecond, so that timers of the model and of the registry end in the same order.
          for (let ms = 0; ms < each; ms++) {
            clock.advance(1);
            model.nowMs += 1;
            model.settle();
          }
        }
        const [listed] = registry.list();
        assert.equal(listed !== undefined, model.exists);
        assert.equal(listed?.health, model.exists ? (model.wanted ? 'healthy' : 'draining') : undefined);
        assert.equal(listed?.inFlight ?? 0, model.exists ? model.holds : 0);
        assert.equal(registry.members('c', ['source']).length, model.wanted ? 1 : 0);
      }
      registry.close();
    }),
    { numRuns: 300 },
  );
});
