import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Fleet } from './acceptance-fixture.js';

const yaml = (drain: string): string => `resilience: { drain: ${drain} }\nclusters: [{ name: c }]`;

describe('the configured drain', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('keeps a removed worker in sight, without requests, until it has settled', async () => {
    const [sim, other] = [await fleet.sim(), await fleet.sim()];
    await fleet.start(yaml('60s'));
    const { id } = (await fleet.add({ url: sim.url })).json;
    await fleet.add({ url: other.url });
    assert.equal((await fleet.call('DELETE', `/workers/${id}`)).status, 202);
    const received = sim.stats().received;
    assert.deepEqual(await fleet.statuses(4), [200, 200, 200, 200]);
    assert.equal(sim.stats().received, received);
    const view = (await fleet.call('GET', `/workers/${id}`)).json;
    assert.deepEqual([view.status, view.load, view.job_status.job_type], ['draining', 0, 'RemoveWorker']);
    const forced = await fleet.call('DELETE', `/workers/${id}?drain=force&wait=true`);
    assert.equal(forced.status, 200);
    assert.equal((await fleet.call('GET', `/workers/${id}`)).status, 404);
  });

  it('follows a reload, but for workers that drain already; a worker may have its own', async () => {
    const [leaving, later, own] = [await fleet.sim(), await fleet.sim(), await fleet.sim()];
    const gateway = await fleet.start(yaml('60s'));
    const ids = {
      leaving: (await fleet.add({ url: leaving.url })).json.id,
      later: (await fleet.add({ url: later.url })).json.id,
      own: (await fleet.add({ url: own.url, health: { drain_settle_secs: 60 } })).json.id,
    };
    await fleet.call('DELETE', `/workers/${ids.leaving}`);
    assert.deepEqual(await gateway.reload(yaml('off')), { ok: true, changes: ['cluster "c" changed'] });
    assert.equal((await fleet.call('DELETE', `/workers/${ids.later}?wait=true`)).status, 200);
    await fleet.call('DELETE', `/workers/${ids.own}`);
    const left = (await fleet.call('GET', '/workers?status=draining')).json.workers.map(
      (view: { id: string }) => view.id,
    );
    assert.deepEqual(new Set(left), new Set([ids.leaving, ids.own]));
  });
});
