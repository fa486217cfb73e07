import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { rawPost } from './raw-client.js';

const LIST = 'workers.json';
const chat = (stream: boolean): object => ({
  model: 'm',
  stream,
  max_tokens: 30,
  messages: [{ role: 'user', content: 'hello' }],
});

describe('file discovery', () => {
  let sims: RunningSim[];
  let gateway: GatewayFixture | undefined;
  const running = (): GatewayFixture => gateway as GatewayFixture;
  const urlOf = (index: number): string => (sims[index] as RunningSim).url;

  before(async () => {
    sims = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        startTestSim({ name, models: ['m'], ttft: '1ms', itl: '5ms', output_tokens: '30' }),
      ),
    );
  });

  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
  });

  after(async () => {
    for (const sim of sims) await sim.close();
  });

  /** The path of the list is known once there is a gateway: its folder holds it. */
  async function start(list: object, extra = ''): Promise<void> {
    gateway = await startGateway('clusters: [{ name: c }]');
    await writeFile(join(running().dir, LIST), JSON.stringify(list));
    const { ok } = await running().reload(yaml(extra));
    assert.equal(ok, true);
  }

  const yaml = (extra = ''): string =>
    `clusters: [{ name: c, policy: round_robin, discovery: { file: { path: "${running().dir}/${LIST}" } }${extra} }]`;

  async function publish(list: object | string): Promise<void> {
    const next = join(running().dir, 'next');
    await writeFile(next, typeof list === 'string' ? list : JSON.stringify(list));
    await rename(next, join(running().dir, LIST));
  }

  const listOf = (...workers: object[]): object => ({ version: 1, workers });
  const known = (): string[] =>
    running()
      .server.services.registry.list()
      .filter(({ health }) => health !== 'draining')
      .map(({ url }) => url)
      .sort();

  async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let i = 0; i < 1_000 && !(await holds()); i++) await sleep(10);
    assert.ok(await holds(), `what was waited for did not come\n${running().logText()}`);
  }

  it('serves from the list before the swap is over, with labels, and without the key of the entry in sight', async () => {
    await start(
      listOf({
        id: 'first',
        url: urlOf(0),
        api_key: 'sk-marked',
        labels: { zone: 'x' },
        priority: 7,
        cost: 2,
        weight: 3,
      }),
    );
    const [worker] = running().server.services.registry.list();
    assert.equal(worker?.health, 'healthy');
    assert.deepEqual([worker?.priority, worker?.cost, worker?.apiKey], [7, 2, 'sk-marked']);
    const listed = await (await fetch(`${running().url}/workers`)).text();
    const { labels } = (JSON.parse(listed) as { workers: { labels: Record<string, string> }[] }).workers[0] ?? {};
    assert.deepEqual(
      [labels?.zone, labels?.['smg.ai/discovery-provider'], labels?.['smg.ai/discovery-id']],
      ['x', 'file', 'first'],
    );
    assert.match(labels?.['smg.ai/discovery-spec-hash'] ?? '', /^[0-9a-f]{16}$/);
    const metrics = await running().metricsText();
    assert.match(metrics, /smg_discovery_workers_discovered\{source="file",cluster="c"\} 1\n/);
    assert.doesNotMatch(listed + metrics + running().logText(), /sk-marked/);
    assert.equal((await rawPost('h1', running().port, '/v1/chat/completions', chat(false)).answer).status, 200);
  });

  it('adds, removes and replaces under traffic without a failed request; what is removed drains', async () => {
    await start(listOf({ url: urlOf(0) }));
    let stop = false;
    let answered = 0;
    const client = async (stream: boolean): Promise<void> => {
      while (!stop) {
        const answer = await rawPost('h1', running().port, '/v1/chat/completions', chat(stream)).answer;
        assert.equal(answer.status, 200, answer.body);
        assert.equal(answer.complete, true);
        answered++;
      }
    };
    const clients = [client(true), client(true), client(false)];
    const lists = [[0, 1], [1], [1, 2], [2, 0], [0]];
    for (let round = 0; round < 20; round++) {
      const urls = (lists[round % lists.length] as number[]).map(urlOf);
      await publish(listOf(...urls.map((url) => ({ url }))));
      await until(() => known().join() === [...urls].sort().join());
    }
    stop = true;
    await Promise.all(clients);
    assert.ok(answered >= 20, `${answered} answers`);
    const { registry } = running().server.services;
    await until(() => registry.list().length === 1);
    assert.equal(registry.list()[0]?.inFlight, 0);
    assert.match(running().logText(), /discovered workers changed/);
  });

  it('refuses a bad list whole, says so once, and goes on with the last good one', async () => {
    await start(listOf({ url: urlOf(0) }, { url: urlOf(1) }));
    await publish('{"version":1,"workers":[{"url":"http://other:1","api_key":"sk-marked"');
    await until(() => running().logText().includes('the discovery failed'));
    await publish(listOf({ url: urlOf(2), kindd: 'x' }));
    await until(() => running().logText().includes('unknown key kindd'));
    assert.deepEqual(known(), [urlOf(0), urlOf(1)].sort());
    assert.match(
      await running().metricsText(),
      /smg_discovery_snapshot_errors_total\{source="file",reason="invalid"\} 2\n/,
    );
    await publish(listOf({ url: urlOf(2) }));
    await until(() => known().join() === urlOf(2));
    assert.match(running().logText(), /the discovery works again/);
    assert.doesNotMatch(running().logText(), /sk-marked/);
  });

  it('keeps its workers over reloads that leave it alone, with the new settings of the cluster', async () => {
    await start(listOf({ url: urlOf(0) }));
    const { registry } = running().server.services;
    const [worker] = registry.list();
    const changes: string[] = [];
    const unsubscribe = registry.onChange(({ change }) => changes.push(change));
    for (let round = 0; round < 5; round++) {
      const result = await running().reload(yaml(`, api_key: key-${round}, models: [m, m${round}]`));
      assert.equal(result.ok, true);
      assert.equal(registry.list()[0], worker);
      assert.equal(worker?.apiKey, `key-${round}`);
      assert.deepEqual(worker?.models, ['m', `m${round}`]);
    }
    assert.deepEqual(
      changes.filter((change) => change === 'added' || change === 'removed' || change === 'health'),
      [],
    );
    await publish(listOf({ url: urlOf(0) }, { url: urlOf(1) }));
    await until(() => known().length === 2);
    assert.equal((await running().reload('clusters: [{ name: c }]')).ok, true);
    await until(() => registry.list().length === 0);
    unsubscribe();
    assert.doesNotMatch(await running().metricsText(), /smg_discovery_workers_discovered\{/);
  });

  it('takes a rejected configuration down again, its discovery included', async () => {
    await start(listOf({ url: urlOf(0) }));
    await writeFile(join(running().dir, 'other.json'), JSON.stringify(listOf({ url: urlOf(1) })));
    const busy = yaml().replace(LIST, 'other.json');
    const clash = `${busy}\nlisteners: [{ name: main, host: 127.0.0.1, port: 0 }, { name: x, host: 192.0.2.1, port: 1 }]\n`;
    assert.equal((await running().reload(clash)).ok, false);
    await until(() => known().join() === urlOf(0));
  });

  it('leaves out workers in clear text where the cluster has tls', async () => {
    await start(listOf({ url: urlOf(0) }), ', tls: { verify: false }');
    assert.deepEqual(known(), []);
    assert.match(running().logText(), /a discovered worker is left out/);
  });
});
