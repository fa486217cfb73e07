import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { type Answer, Fleet } from './acceptance-fixture.js';

const HASTY = 'clusters: [{ name: c, startup: { timeout: 200ms, check_every: 100ms }, health: { every: 100ms } }]';

describe('waiting for workers to start', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  async function post(url: string, query = ''): Promise<Answer> {
    const answer = await fleet.call('POST', `/workers${query}`, { url, models: ['m'] });
    assert.equal(answer.status, 202, JSON.stringify(answer.json));
    return answer;
  }

  it('one that does not come up in time has failed, its job too; it is tried on, and serves when it comes', async () => {
    const sim = await fleet.sim();
    sim.setHealthy(false);
    const gateway = await fleet.start(HASTY);
    // It would wait for half a minute, but not for one that has failed.
    const { worker_id: id, job_id: job } = (await post(sim.url, '?wait=true')).json;
    const view = await fleet.until(id, ({ status }) => status === 'failed');
    assert.deepEqual(
      [view.is_healthy, view.available, view.status_reason, view.job_status.status, view.job_status.message],
      [false, false, 'health: status 503', 'failed', 'not ready within 200ms: health: status 503; it is tried on'],
    );
    assert.match(gateway.logText(), /"reason":"health: status 503"[^\n]*worker has failed; it is tried on/);
    const { stats } = (await fleet.call('GET', '/workers?status=failed')).json;
    assert.deepEqual([stats.failed_count, stats.pending_count, stats.ready_count], [1, 0, 0]);
    const { status, json } = await fleet.call('GET', '/readiness');
    assert.deepEqual([status, json.reason, json.starting_workers], [503, 'insufficient healthy workers', 0]);
    assert.equal((await fleet.chat()).status, 503);
    sim.setHealthy(true);
    await fleet.until(id, (now) => now.status === 'ready');
    assert.equal((await fleet.chat()).status, 200);
    assert.equal((await fleet.call('GET', `/jobs/${job}`)).json.status, 'succeeded');
  });

  it('adding a failed one again gives it its whole time again', async () => {
    const url = await fleet.deadUrl();
    const gateway = await fleet.start(HASTY);
    const { worker_id: id } = (await post(url)).json;
    await fleet.until(id, ({ status }) => status === 'failed');
    assert.equal((await post(url)).json.worker_id, id);
    const failures = (): number => gateway.logText().split('worker has failed').length - 1;
    await fleet.until(id, ({ status }) => status === 'failed' && failures() === 2);
    assert.match(gateway.logText(), /"from":"failed","to":"pending"/);
  });

  it('the first check of a new worker can be put off, and says so; a reload can end that', async () => {
    const sim = await fleet.sim();
    const yaml = (delay: string): string =>
      `clusters: [{ name: c, startup: { delay: ${delay} }, workers: ['${sim.url}'] }]`;
    const gateway = await fleet.start(yaml('1h'));
    const [worker] = (await fleet.call('GET', '/workers')).json.workers;
    assert.deepEqual([worker.status, worker.status_reason], ['pending', 'startup: first check after 1h']);
    const { status, json } = await fleet.call('GET', '/readiness');
    assert.deepEqual([status, json.starting_workers, json.total_workers], [503, 1, 1]);
    assert.equal((await fleet.chat()).status, 503);
    assert.equal((await gateway.reload(yaml('0'))).ok, true);
    await fleet.until(worker.id, (view) => view.status === 'ready');
    assert.equal((await fleet.chat()).status, 200);
    assert.equal((await fleet.call('GET', '/readiness')).status, 200);
  });
});
