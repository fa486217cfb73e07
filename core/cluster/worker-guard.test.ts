import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '../testing/fake-clock.js';
import { DEFAULT_BREAKER } from './circuit-breaker.js';
import { DEFAULT_PROTECTION, type ProtectionSettings } from './protection-settings.js';
import { ManagedWorker } from './worker.js';
import { WorkerGuard } from './worker-guard.js';
import { createWorkerSpec } from './worker-spec.fixture.js';
import { DEFAULT_HEALTH_CHECK } from './worker-spec.js';

describe('guard of a worker whose settings change', () => {
  let clock: FakeClock;
  let worker: ManagedWorker;
  let guard: WorkerGuard;

  beforeEach(() => {
    clock = new FakeClock();
    worker = new ManagedWorker(
      createWorkerSpec({ protection: DEFAULT_PROTECTION }),
      { onWorkerOutcome() {}, onWorkerIdle() {}, onWorkerChange() {} },
      undefined,
    );
    worker.setHealth('healthy');
    guard = new WorkerGuard(worker, { clock, stats: undefined, probeSoon() {}, askLoad() {} });
    worker.guard = guard;
  });

  afterEach(() => {
    guard.close();
    assert.equal(clock.pendingTimers, 0);
  });

  function protect(change: Partial<ProtectionSettings>): void {
    worker.applySpec({ ...worker.spec(), protection: { ...worker.protection, ...change } });
    guard.configure();
  }

  it('no doubt stays when probes, which alone could end it, are switched off', () => {
    worker.recordOutcome('transport_failure', clock.monotonicMs());
    clock.advance(DEFAULT_PROTECTION.liveness.stallMs);
    assert.equal(worker.inDoubt, true);
    worker.applySpec({ ...worker.spec(), health: { ...DEFAULT_HEALTH_CHECK, enabled: false } });
    guard.configure();
    assert.equal(worker.inDoubt, false);
  });

  it('none begins after they were switched off', () => {
    worker.recordOutcome('transport_failure', clock.monotonicMs());
    protect({ liveness: { ...DEFAULT_PROTECTION.liveness, stallMs: 0 } });
    clock.advance(DEFAULT_PROTECTION.liveness.stallMs * 2);
    assert.equal(worker.inDoubt, false);
  });

  it('an open breaker follows a shorter time at once', () => {
    protect({ breaker: { ...DEFAULT_BREAKER, failures: 1, openMs: 60_000 } });
    worker.recordOutcome('failure', clock.monotonicMs());
    assert.equal(worker.available, false);
    protect({ breaker: { ...DEFAULT_BREAKER, failures: 1, openMs: 5_000 } });
    clock.advance(5_000);
    assert.equal(worker.available, true);
  });

  it('one that is switched off lets the worker be chosen', () => {
    protect({ breaker: { ...DEFAULT_BREAKER, failures: 1 } });
    worker.recordOutcome('failure', clock.monotonicMs());
    assert.equal(worker.available, false);
    protect({ breaker: undefined });
    assert.equal(worker.available, true);
  });
});
