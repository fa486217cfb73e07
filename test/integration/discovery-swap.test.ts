import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedWorker } from '../../core/cluster/worker.js';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import { createTestAuthority } from '../../core/testing/test-certificates.js';
import { TestDnsServer } from '../../plugins/discovery/dns/dns-server.fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { rawPost } from './raw-client.js';

const CHAT = { model: 'm', max_tokens: 3, messages: [{ role: 'user', content: 'hello' }] };
const SERVICE = '_llm._tcp.pool.test';

describe('a discovery that a reload replaces', () => {
  let sims: RunningSim[];
  let dns: TestDnsServer;
  let gateway: GatewayFixture;

  before(async () => {
    const options = { models: ['m'], ttft: '1ms', itl: '1ms', output_tokens: '3' };
    sims = await Promise.all(['a', 'b', 'c'].map((name) => startTestSim({ ...options, name })));
  });
  beforeEach(async () => {
    dns = await TestDnsServer.start();
    gateway = await startGateway('clusters: [{ name: c }]');
  });
  afterEach(async () => {
    await gateway.close();
    await dns.close();
  });
  after(async () => {
    for (const sim of sims) await sim.close();
  });

  const urlOf = (index: number): string => (sims[index] as RunningSim).url;
  const workers = (): ManagedWorker[] => gateway.server.services.registry.list();
  const live = (): string[] => workers().flatMap(({ health, url }) => (health === 'draining' ? [] : [url]));
  const fileYaml = (name: string, extra = ''): string =>
    `clusters: [{ name: c, policy: round_robin, discovery: { file: { path: "${join(gateway.dir, name)}" } }${extra} }]`;
  const dnsYaml = (): string =>
    `clusters: [{ name: c, discovery: { dns: { name: ${SERVICE}, resolver: "${dns.address}", refresh: 1s } } }]`;
  const reload = async (yaml: string): Promise<boolean> => (await gateway.reload(yaml)).ok;
  const post = async (): Promise<number> =>
    (await rawPost('h1', gateway.port, '/v1/chat/completions', CHAT).answer).status;

  async function writeList(name: string, ...urls: string[]): Promise<void> {
    const list = { version: 1, workers: urls.map((url) => ({ url })) };
    await writeFile(join(gateway.dir, name), JSON.stringify(list));
  }

  function serveDns(...indexes: number[]): void {
    dns.zone.set(
      SERVICE,
      indexes.map((index) => ({ type: 'SRV', target: 'host.test', port: Number(new URL(urlOf(index)).port) })),
    );
    dns.zone.set('host.test', [{ type: 'A', address: '127.0.0.1' }]);
  }

  async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
    for (let i = 0; i < 2_000 && !(await holds()); i++) await sleep(5);
    assert.ok(await holds(), `${what} did not come\n${gateway.logText()}`);
  }

  /** Workers that the gauge shows for the discovery by a file; undefined: it is not there. */
  async function gauge(): Promise<number | undefined> {
    const series = /smg_discovery_workers_discovered\{source="file",cluster="c"\} (\d+)/;
    const count = series.exec(await gateway.metricsText())?.[1];
    return count === undefined ? undefined : Number(count);
  }

  /** Requests, several at once, until the result is asked for: statuses that were not 200. */
  function traffic(): () => Promise<{ readonly sent: number; readonly failed: readonly number[] }> {
    let stopped = false;
    let sent = 0;
    const failed: number[] = [];
    const lane = async (): Promise<void> => {
      while (!stopped) {
        const status = await post();
        sent += 1;
        if (status !== 200) failed.push(status);
      }
    };
    const lanes = Promise.all([lane(), lane(), lane()]);
    return async () => {
      stopped = true;
      await lanes;
      return { sent, failed };
    };
  }

  it('leaves no gap, keeps the workers that both name, and goes with its cluster', async () => {
    await writeList('one.json', urlOf(0));
    await writeList('two.json', urlOf(0), urlOf(1));
    serveDns(1, 2);
    assert.ok(await reload(fileYaml('one.json')));
    const [kept] = workers();
    const finish = traffic();
    assert.ok(await reload(fileYaml('two.json')));
    assert.equal(workers()[0], kept);
    assert.deepEqual(live(), [urlOf(0), urlOf(1)]);
    assert.ok(await reload(dnsYaml()));
    await until(() => live().length === 2 && live().includes(urlOf(2)), 'the workers of the name');
    assert.ok(await reload(fileYaml('one.json')));
    const { sent, failed } = await finish();
    assert.deepEqual(failed, []);
    assert.ok(sent > 0);
    await until(() => live().join() === urlOf(0), 'the first list');
    const asked = dns.questions.length;
    assert.ok(await reload('clusters: [{ name: c }]'));
    await until(() => workers().length === 0, 'the end of all workers');
    assert.equal(dns.questions.length, asked);
  });

  it('takes the gauge along to its successor of the same type', async () => {
    await writeList('one.json', urlOf(0));
    await writeList('two.json', urlOf(0), urlOf(1));
    assert.ok(await reload(fileYaml('one.json')));
    assert.equal(await gauge(), 1);
    assert.ok(await reload(fileYaml('two.json')));
    await until(() => gateway.server.generationCount === 1, 'the end of the old configuration');
    assert.equal(await gauge(), 2);
    assert.ok(await reload('clusters: [{ name: c }]'));
    await until(async () => (await gauge()) === undefined, 'the end of the series');
  });

  it('is still there, and so is its gauge, when the replacement is rejected', async () => {
    await writeList('one.json', urlOf(0));
    await writeList('two.json', urlOf(1), urlOf(2));
    assert.ok(await reload(fileYaml('one.json')));
    const clash = 'listeners: [{ name: main, host: 127.0.0.1, port: 0 }, { name: x, host: 192.0.2.1, port: 1 }]';
    assert.equal(await reload(`${fileYaml('two.json')}\n${clash}`), false);
    await until(() => workers().length === 1, 'the end of the rejected workers');
    assert.equal(await gauge(), 1);
    await writeList('one.json', urlOf(0), urlOf(1));
    await until(() => live().length === 2, 'the old discovery at work');
    assert.equal(await gauge(), 2);
  });

  it('keeps its workers through a reload while the name server is gone', async () => {
    serveDns(0, 1);
    assert.ok(await reload(dnsYaml()));
    const before = workers();
    assert.equal(before.length, 2);
    dns.failure = 'servfail';
    const finish = traffic();
    for (const attempt of [2, 3])
      assert.ok(await reload(`${dnsYaml()}\nresilience: { retry: { attempts: ${attempt} } }`));
    assert.deepEqual((await finish()).failed, []);
    assert.deepEqual(workers(), before);
  });

  it('may bring workers that speak TLS to a gateway that had none', async () => {
    const authority = createTestAuthority();
    const { cert, key } = authority.issue();
    const server = https.createServer({ cert, key }, (_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end('{"object":"chat.completion","choices":[]}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await writeFile(join(gateway.dir, 'ca.pem'), authority.cert);
      const tls = `, models: [m], health: off, tls: { ca: "$file:${join(gateway.dir, 'ca.pem')}" }`;
      assert.ok(await reload(fileYaml('later.json', tls)));
      assert.deepEqual(workers(), []);
      await writeList('later.json', `127.0.0.1:${(server.address() as AddressInfo).port}`);
      await until(async () => (await post()) === 200, 'an answer');
      assert.match(workers()[0]?.url ?? '', /^https:/);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
