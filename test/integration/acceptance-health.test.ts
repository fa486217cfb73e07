import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Fleet } from './acceptance-fixture.js';

const YAML = 'clusters: [{ policy: round_robin, health: { every: 100ms, unhealthy_after: 2, healthy_after: 2 } }]';

describe('health, end to end', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('a worker whose probe says 503 is out, though it would still answer; two good probes bring it back', async () => {
    const [steady, shaky] = [await fleet.sim(), await fleet.sim()];
    await fleet.start(YAML);
    await fleet.add({ url: steady.url });
    const { id } = (await fleet.add({ url: shaky.url })).json;
    shaky.setHealthy(false);
    const down = await fleet.until(id, (view) => view.status === 'not_ready');
    assert.equal(down.is_healthy, false);
    assert.match(down.status_reason, /503/);
    const received = shaky.stats().received;
    assert.deepEqual(await fleet.statuses(4), [200, 200, 200, 200]);
    assert.equal(shaky.stats().received, received);
    assert.equal((await fleet.call('GET', '/readiness')).status, 200);
    shaky.setHealthy(true);
    await fleet.until(id, (view) => view.status === 'ready');
    assert.deepEqual(await fleet.statuses(4), [200, 200, 200, 200]);
    assert.equal(shaky.stats().received, received + 2);
  });

  it('a pending worker is not used, whatever it would answer, and opens with its first good probe', async () => {
    const sim = await fleet.sim();
    sim.setHealthy(false);
    await fleet.start(YAML);
    const { worker_id: id } = (await fleet.call('POST', '/workers', { url: sim.url, models: ['m'] })).json;
    const pending = await fleet.until(id, (view) => /503/.test(view.status_reason ?? ''));
    assert.equal(pending.status, 'pending');
    assert.equal((await fleet.chat()).status, 503);
    assert.equal((await fleet.call('GET', '/readiness')).status, 503);
    sim.setHealthy(true);
    await fleet.until(id, (view) => view.status === 'ready');
    assert.equal((await fleet.chat()).status, 200);
  });

  it('the last worker that is down comes back by itself, however long it was gone', async () => {
    const sim = await fleet.sim();
    await fleet.start(YAML);
    const { id } = (await fleet.add({ url: sim.url })).json;
    sim.setHealthy(false);
    await fleet.until(id, (view) => view.status === 'not_ready');
    const refused = await fleet.chat();
    assert.deepEqual([refused.status, refused.json.error.code], [503, 'no_available_workers']);
    sim.setHealthy(true);
    await fleet.until(id, (view) => view.status === 'ready');
    assert.equal((await fleet.chat()).status, 200);
  });

  it('without checks a worker is ready at once; switching them off opens one that is down', async () => {
    const sim = await fleet.sim();
    sim.setHealthy(false);
    await fleet.start(YAML);
    const stated = { url: sim.url, runtime: 'sglang', models: ['m'] };
    const { worker_id: id } = (await fleet.call('POST', '/workers', stated)).json;
    await fleet.until(id, (view) => /503/.test(view.status_reason ?? ''));
    await fleet.call('PATCH', `/workers/${id}`, { health: { disable_health_check: true } });
    assert.equal((await fleet.call('GET', `/workers/${id}`)).json.status, 'ready');
    assert.equal((await fleet.chat()).status, 200);
  });
});
