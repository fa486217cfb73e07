import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from './acceptance-fixture.js';

describe('removing failed workers', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  const health = '{ every: 100ms, unhealthy_after: 1, remove_failed: true }';
  const yaml = (...urls: string[]): string =>
    `resilience: { health: ${health} }\nclusters: [{ name: c, startup: { timeout: 200ms }, workers: [${urls.join(', ')}] }]`;

  async function urls(): Promise<Set<string>> {
    const { workers } = (await fleet.call('GET', '/workers')).json;
    return new Set(workers.map(({ url }: { url: string }) => url));
  }

  async function untilUrls(expected: readonly string[]): Promise<void> {
    let listed = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      listed = await urls();
      if (listed.size === expected.length && expected.every((url) => listed.has(url))) return;
      await sleep(10);
    }
    assert.fail(`never: ${[...listed]}`);
  }

  it('one of the file goes, with a job and a line, and comes back with a reload that changes nothing', async () => {
    const [steady, shaky] = [await fleet.sim(), await fleet.sim()];
    const text = yaml(steady.url, shaky.url);
    const gateway = await fleet.start(text);
    await untilUrls([steady.url, shaky.url]);
    shaky.setHealthy(false);
    await untilUrls([steady.url]);
    const { jobs } = (await fleet.call('GET', '/jobs')).json;
    assert.deepEqual(
      jobs.map((job: Record<string, string>) => [job.job_type, job.worker_url, job.status]),
      [['RemoveWorker', shaky.url, 'succeeded']],
    );
    assert.match(gateway.logText(), /"reason":"health: status 503"[^\n]*a failed worker is removed/);
    assert.match(await gateway.metricsText(), /smg_failed_workers_removed_total\{cluster="c"\} 1\n/);
    assert.deepEqual(await fleet.statuses(2), [200, 200]);
    shaky.setHealthy(true);
    assert.deepEqual(await gateway.reload(text), { ok: true, changes: [] });
    await untilUrls([steady.url, shaky.url]);
    const { workers } = (await fleet.call('GET', '/workers')).json;
    for (const { id } of workers) await fleet.until(id, ({ status }) => status === 'ready');
    const received = shaky.stats().received;
    while (shaky.stats().received === received) assert.equal((await fleet.chat()).status, 200);
  });

  it('the last that serves a model stays, and is used again when it comes back', async () => {
    const [first, last] = [await fleet.sim(), await fleet.sim()];
    const gateway = await fleet.start(yaml(first.url, last.url));
    await untilUrls([first.url, last.url]);
    first.setHealthy(false);
    last.setHealthy(false);
    const kept = (): number => gateway.logText().split('a failed worker is kept').length - 1;
    for (let i = 0; kept() < 2 && i < 1_000; i++) await sleep(10);
    assert.equal(kept(), 2);
    assert.deepEqual(await urls(), new Set([first.url, last.url]));
    assert.equal((await fleet.chat()).status, 503);
    last.setHealthy(true);
    await untilUrls([last.url]);
    assert.deepEqual(await fleet.statuses(2), [200, 200]);
  });

  it('one of the admin API that never came up goes for good', async () => {
    const sim = await fleet.sim();
    const gateway = await fleet.start(yaml(sim.url));
    const url = await fleet.deadUrl();
    const { worker_id: id } = (await fleet.call('POST', '/workers', { url })).json;
    await untilUrls([sim.url]);
    assert.equal((await fleet.call('GET', `/workers/${id}`)).status, 404);
    await gateway.reload(`${yaml(sim.url)}\ntelemetry: { logs: { access: false } }`);
    assert.deepEqual(await urls(), new Set([sim.url]));
    assert.equal((await fleet.call('POST', '/workers', { url })).status, 202);
  });
});
