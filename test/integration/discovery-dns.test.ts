import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import { TestDnsServer } from '../../plugins/discovery/dns/dns-server.fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

const NAME = 'pool.test';

describe('dns discovery', () => {
  let sim: RunningSim;
  let dns: TestDnsServer;
  let gateway: GatewayFixture | undefined;

  before(async () => {
    sim = await startTestSim({ models: ['m'], ttft: '1ms', itl: '1ms', output_tokens: '5' });
  });
  beforeEach(async () => {
    dns = await TestDnsServer.start();
    dns.zone.set(NAME, [{ type: 'A', address: '127.0.0.1' }]);
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
    await dns.close();
  });
  after(() => sim.close());

  async function start(grace: string): Promise<GatewayFixture> {
    const { port } = new URL(sim.url);
    const settings = `{ name: ${NAME}, port: ${port}, resolver: "${dns.address}", refresh: 1s, grace: ${grace} }`;
    gateway = await startGateway(`clusters: [{ name: c, discovery: { dns: ${settings} } }]`);
    return gateway;
  }

  async function until(holds: () => boolean): Promise<void> {
    for (let i = 0; i < 2_000 && !holds(); i++) await sleep(10);
    assert.ok(holds(), `what was waited for did not come\n${gateway?.logText()}`);
  }

  /** The answer to the next question has been taken up once the one after it is asked. */
  async function rounds(count: number): Promise<void> {
    const asked = dns.questions.filter((question) => question.startsWith('A ')).length;
    await until(() => dns.questions.filter((question) => question.startsWith('A ')).length > asked + count);
  }

  async function chat(): Promise<number> {
    const response = await fetch(`${gateway?.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
    });
    await response.arrayBuffer();
    return response.status;
  }

  it('a blip of the name, or of its server, leaves the workers as they are', async () => {
    const { server, logText } = await start('1h');
    const { registry } = server.services;
    const [worker] = registry.list();
    assert.deepEqual([worker?.url, worker?.health], [sim.url, 'healthy']);
    const changes: string[] = [];
    registry.onChange(({ change }) => changes.push(change));
    dns.zone.clear();
    await rounds(1);
    assert.equal(await chat(), 200);
    dns.failure = 'servfail';
    await until(() => logText().includes(`${NAME}: ESERVFAIL`));
    assert.equal(await chat(), 200);
    dns.failure = undefined;
    dns.zone.set(NAME, [{ type: 'A', address: '127.0.0.1' }]);
    await until(() => logText().includes('the discovery works again'));
    assert.equal(await chat(), 200);
    assert.deepEqual(registry.list(), [worker]);
    assert.deepEqual(
      changes.filter((change) => change === 'added' || change === 'removed' || change === 'health'),
      [],
    );
    assert.match(
      await (gateway as GatewayFixture).metricsText(),
      /smg_discovery_snapshot_errors_total\{source="dns",reason="servfail"\} [1-9]/,
    );
  });

  it('workers that stay away for the grace go, and come when they are back', async () => {
    const { server } = await start('0s');
    const { registry } = server.services;
    const [worker] = registry.list();
    dns.failure = 'refused';
    await rounds(1);
    assert.deepEqual(registry.list(), [worker]);
    dns.failure = undefined;
    dns.zone.set(NAME, []);
    await until(() => registry.list().length === 0);
    assert.equal((await chat()) >= 400, true);
    dns.zone.set(NAME, [{ type: 'A', address: '127.0.0.1' }]);
    await until(() => registry.list()[0]?.health === 'healthy');
    assert.equal(await chat(), 200);
  });
});
