import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { ManagedWorker } from '../../cluster/worker.js';
import { createWorkerSpec } from '../../cluster/worker-spec.fixture.js';
import { FakeClock } from '../../testing/fake-clock.js';
import { WorkerJobs } from './worker-jobs.js';

describe('jobs of the worker API', () => {
  let clock: FakeClock;
  let jobs: WorkerJobs;

  beforeEach(() => {
    clock = new FakeClock();
    jobs = new WorkerJobs(clock);
  });

  /** A worker that tells the jobs of its changes, as the registry does. */
  function createWorker(port = 1): ManagedWorker {
    const spec = createWorkerSpec({ url: `http://127.0.0.1:${port}`, runtime: undefined, models: [] });
    return new ManagedWorker(
      spec,
      {
        onWorkerOutcome: () => {},
        onWorkerIdle: () => {},
        onWorkerChange: (worker, change, previousHealth) => jobs.onWorkerEvent({ worker, change, previousHealth }),
      },
      undefined,
    );
  }

  it('an addition is over when the worker is ready', () => {
    const worker = createWorker();
    const id = jobs.start('AddWorker', worker);
    assert.equal(jobs.of(worker)?.status, 'processing');
    worker.setHealth('healthy');
    assert.equal(jobs.of(worker), undefined);
    assert.equal(jobs.get(id)?.status, 'succeeded');
  });

  it('an addition that takes too long is shown as failed, with the reason, and succeeds all the same when it does', () => {
    const worker = createWorker();
    worker.healthReason = 'health: connect refused';
    const id = jobs.start('AddWorker', worker);
    assert.deepEqual([jobs.of(worker)?.status, jobs.of(worker)?.message], ['processing', 'health: connect refused']);
    worker.setHealth('failed');
    const late = jobs.of(worker);
    assert.equal(late?.status, 'failed');
    assert.match(late?.message ?? '', /^not ready within 30m: health: connect refused; it is tried on$/);
    worker.setHealth('healthy');
    assert.equal(jobs.get(id)?.status, 'succeeded');
  });

  it('asking for the same again is the same job; another takes its place', () => {
    const worker = createWorker();
    const added = jobs.start('AddWorker', worker);
    assert.equal(jobs.start('AddWorker', worker), added);
    const removed = jobs.start('RemoveWorker', worker);
    assert.equal(jobs.get(added)?.status, 'failed');
    assert.equal(jobs.of(worker)?.id, removed);
    assert.match(jobs.of(worker)?.message ?? '', /^0 requests/);
    jobs.onWorkerEvent({ worker, change: 'removed', previousHealth: 'draining' });
    assert.equal(jobs.get(removed)?.status, 'succeeded');
  });

  it('an addition fails when its worker is removed', () => {
    const worker = createWorker();
    const id = jobs.start('AddWorker', worker);
    jobs.onWorkerEvent({ worker, change: 'removed', previousHealth: 'pending' });
    assert.deepEqual([jobs.get(id)?.status, jobs.get(id)?.message], ['failed', 'the worker was removed']);
  });

  it('a thousand ended jobs are remembered, unfinished ones always', () => {
    const waiting = createWorker(1);
    const unfinished = jobs.start('AddWorker', waiting);
    const worker = createWorker(2);
    const first = jobs.start('UpdateWorker', worker);
    for (let i = 0; i < 999; i++) jobs.start('UpdateWorker', worker);
    assert.equal(jobs.get(first)?.status, 'succeeded');
    jobs.start('UpdateWorker', worker);
    assert.equal(jobs.get(first), undefined);
    assert.equal(jobs.list().length, 1_001);
    assert.equal(jobs.get(unfinished)?.status, 'processing');
  });
});
