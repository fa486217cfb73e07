import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { FakeOpenAi } from '../fakes/fake-openai.js';
import { settled, until } from './kill-matrix-cases.js';
import { type RawAnswer, rawPost } from './raw-client.js';

const PATH = '/v1/chat/completions';
const BODY = { model: 'llama', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 8 };
const MAX_WAIT = 'timeouts: { connect: 2s, first_byte: 20s, idle: 20s }';

const open: { close(): Promise<void> }[] = [];

async function sim(options: Parameters<typeof startTestSim>[0] = {}): Promise<RunningSim> {
  const engine = await startTestSim({ models: ['llama'], ttft: '1ms', itl: 0, ...options });
  open.push(engine);
  return engine;
}

async function gatewayOf(yaml: string, fake?: FakeOpenAi): Promise<GatewayFixture> {
  const files = fake === undefined ? {} : { 'ca.pem': fake.provider.ca };
  const gateway = await startGateway(yaml, { env: { KEY: fake?.key ?? '' }, files });
  open.push(gateway);
  return gateway;
}

/** Two clusters of one engine each. */
const twoClusters = (a: RunningSim, b: RunningSim, rest: string): string => `
resilience: { circuit_breaker: off, retry: off }
clusters:
  - { name: a, health: off, ${MAX_WAIT}, workers: [{ url: "${a.url}", models: [llama] }] }
  - { name: b, health: off, ${MAX_WAIT}, workers: [{ url: "${b.url}", models: [llama] }] }
${rest}
`;

/** Nobody waits for copies, so they may be over a little later than their requests. */
async function copiesEnded(gateway: GatewayFixture): Promise<void> {
  await until(() => gateway.server.services.registry.list().every(({ inFlight }) => inFlight === 0));
}

describe('fallback between clusters', () => {
  afterEach(async () => {
    for (const thing of open.splice(0).reverse()) await thing.close();
  });

  it('callers go on to the cloud while the local workers are killed under load', async () => {
    const locals = [await startTestSim({ models: ['llama'] }), await startTestSim({ models: ['llama'] })];
    const fake = await FakeOpenAi.start();
    open.push(fake);
    const gateway = await gatewayOf(
      `
clusters:
  - name: local
    health: { every: 100ms, unhealthy_after: 2 }
    workers: [${locals.map(({ url }) => `{ url: "${url}", models: [llama] }`).join(', ')}]
  - name: cloud
    health: off
    workers: [{ url: "${fake.provider.url}", provider: openai, api_key: $KEY, models: [gpt-4o-mini] }]
    tls: { ca: $file:ca.pem }
routes:
  - { name: chat, cluster: local, fallback: { to: [{ cluster: cloud, model: gpt-4o-mini }], attempts_header: true } }
`,
      fake,
    );
    const answers: RawAnswer[] = [];
    let killed = false;
    const ask = async (stream: boolean): Promise<void> => {
      answers.push(await rawPost('h1', gateway.port, PATH, { ...BODY, stream }).answer);
    };
    const caller = async (stream: boolean): Promise<void> => {
      while (!killed) await ask(stream);
      for (let i = 0; i < 8; i++) await ask(stream);
    };
    const callers = [caller(false), caller(false), caller(false), caller(true), caller(true)];
    try {
      while (answers.length < 20) await sleep(2);
      for (const local of locals) await local.close();
    } finally {
      killed = true;
      await Promise.all(callers);
    }
    for (const { status, complete, body } of answers) {
      // Streams that had begun on a killed worker end with an error event, everything else is whole.
      assert.equal(status, 200, body);
      if (complete && !/"error"/.test(body)) assert.match(body, /"model": ?"llama"/);
      assert.doesNotMatch(body, /gpt-4o-mini/);
    }
    const last = answers.at(-1);
    assert.match(String(last?.headers['x-smg-attempts']), /^local=\w+, cloud=200$/);
    assert.equal(last?.complete, true);
    assert.ok(fake.provider.requests.length > 30);
    assert.match(await gateway.metricsText(), /smg_fallbacks_total\{from="local",to="cloud",reason="\w+"\} \d+/);
    await settled(gateway);
  });

  it('a route goes on although its own cluster never had the model', async () => {
    const [a, b] = [await sim(), await sim({ models: ['other'] })];
    const yaml = twoClusters(a, b, 'routes: [{ cluster: b, fallback: [a] }]').replace(
      `url: "${b.url}", models: [llama]`,
      `url: "${b.url}", models: [other]`,
    );
    const gateway = await gatewayOf(yaml);
    assert.equal((await rawPost('h1', gateway.port, PATH, BODY).answer).status, 200);
    assert.deepEqual([a.stats().received, b.stats().received], [1, 0]);
    const log = gateway.logText();
    assert.match(log, /"cluster":"a"|cluster=a/);
  });

  it('a silent stream is given up for the next cluster, and its worker is let go', async () => {
    const [a, b] = [await sim({ fault: 'stall=0' }), await sim()];
    const gateway = await gatewayOf(
      twoClusters(a, b, 'routes: [{ cluster: a, fallback: { to: [b], first_token: 200ms, attempts_header: true } }]'),
    );
    const answer = await rawPost('h1', gateway.port, PATH, { ...BODY, stream: true }).answer;
    assert.equal(answer.status, 200);
    assert.match(answer.body, /\[DONE\]/);
    assert.equal(answer.headers['x-smg-attempts'], 'a=first_token, b=200');
    await until(() => a.stats().aborted === 1);
    await settled(gateway);
  });

  it('a stream that breaks after its first byte is not taken elsewhere', async () => {
    const [a, b] = [await sim({ fault: 'cut=2' }), await sim()];
    const gateway = await gatewayOf(twoClusters(a, b, 'routes: [{ cluster: a, fallback: [b] }]'));
    const answer = await rawPost('h1', gateway.port, PATH, { ...BODY, stream: true }).answer;
    assert.doesNotMatch(answer.body, /\[DONE\]/);
    assert.equal(b.stats().received, 0);
    await settled(gateway);
  });

  for (const protocol of ['h1', 'h2'] as const) {
    for (const stream of [false, true]) {
      const column = `${protocol}${stream ? ' stream' : ''}`;

      it(`${column}: client leaves during the first and during the second cluster`, async () => {
        const [a, b] = [await sim({ fault: 'status=503' }), await sim({ fault: 'stall=0' })];
        const gateway = await gatewayOf(twoClusters(a, b, 'routes: [{ cluster: a, fallback: [b] }]'));
        const second = rawPost(protocol, gateway.port, PATH, { ...BODY, stream });
        await until(() => b.stats().inFlight === 1);
        second.leave();
        await until(() => b.stats().aborted === 1);
        await settled(gateway);
        const fault = { method: 'POST', body: '{"fault":"stall=0"}', headers: { 'content-type': 'application/json' } };
        await fetch(`${a.url}/sim/fault`, fault);
        const first = rawPost(protocol, gateway.port, PATH, { ...BODY, stream });
        await until(() => a.stats().inFlight === 1);
        first.leave();
        await until(() => a.stats().aborted === 1);
        await settled(gateway);
        assert.equal(b.stats().received, 1);
      });

      it(`${column}: client leaves while its copy is under way; a reload ends the copy`, async () => {
        const [a, b] = [await sim({ fault: 'stall=0' }), await sim({ fault: 'stall=0' })];
        const yaml = twoClusters(
          a,
          b,
          'routes: [{ cluster: a }]\nfilters: [{ preset: standard }, { name: mirror, after: model, config: { cluster: b } }]',
        );
        const gateway = await gatewayOf(yaml);
        const request = rawPost(protocol, gateway.port, PATH, { ...BODY, stream });
        await until(() => a.stats().inFlight === 1 && b.stats().inFlight === 1);
        request.leave();
        await until(() => a.stats().aborted === 1);
        assert.equal(b.stats().inFlight, 1);
        await gateway.reload(yaml.replace('after: model,', 'after: model, disabled: true,'));
        await until(() => b.stats().aborted === 1);
        await copiesEnded(gateway);
        await settled(gateway);
      });
    }
  }

  it('copies go to the other cluster, their failures to nobody', async () => {
    const [a, b] = [await sim(), await sim({ fault: 'cut=1' })];
    const gateway = await gatewayOf(
      twoClusters(
        a,
        b,
        'routes: [{ cluster: a, fallback: [b] }]\nfilters: [{ preset: standard }, { name: mirror, after: model, config: { cluster: b } }]',
      ),
    );
    for (let i = 0; i < 4; i++) {
      const answer = await rawPost('h1', gateway.port, PATH, { ...BODY, stream: i % 2 === 1 }).answer;
      assert.deepEqual([answer.status, answer.complete], [200, true]);
    }
    await until(() => b.stats().received === 4);
    await copiesEnded(gateway);
    assert.equal(a.stats().received, 4);
    await settled(gateway);
    assert.match(await gateway.metricsText(), /smg_mirror_requests_total\{cluster="b",outcome="failed"\} 4/);
  });

  it('a copy stays where it was sent, whatever split stands below', async () => {
    const [a, b] = [await sim(), await sim()];
    const gateway = await gatewayOf(
      twoClusters(
        a,
        b,
        `routes: [{ cluster: b }]
filters:
  - preset: standard
  - { name: mirror, after: model, config: { cluster: b } }
  - { name: split, after: mirror, config: { clusters: { a: 1 } } }`,
      ),
    );
    for (let i = 0; i < 4; i++) assert.equal((await rawPost('h1', gateway.port, PATH, BODY).answer).status, 200);
    await until(() => b.stats().completed === 4);
    assert.equal(a.stats().received, 4);
    await copiesEnded(gateway);
    await settled(gateway);
  });

  it('a split sends equal users to the same cluster, and goes on from there', async () => {
    const [a, b] = [await sim(), await sim()];
    const gateway = await gatewayOf(
      twoClusters(
        a,
        b,
        'routes: [{ cluster: a, fallback: [a] }]\nfilters: [{ preset: standard }, { name: split, after: model, config: { clusters: { a: 1, b: 1 }, sticky: x-user } }]',
      ),
    );
    const ask = (user: number): Promise<RawAnswer> =>
      rawPost('h1', gateway.port, PATH, BODY, { 'x-user': `user-${user}` }).answer;
    for (let user = 0; user < 16; user++) assert.equal((await ask(user)).status, 200);
    const [inA, inB] = [a.stats().received, b.stats().received];
    assert.ok(inA > 0 && inB > 0 && inA + inB === 16, `${inA} and ${inB}`);
    for (let user = 0; user < 16; user++) await ask(user);
    assert.deepEqual([a.stats().received, b.stats().received], [2 * inA, 2 * inB]);
    await b.close();
    open.splice(open.indexOf(b), 1);
    for (let user = 0; user < 16; user++) assert.equal((await ask(user)).status, 200);
    await settled(gateway);
  });
});
