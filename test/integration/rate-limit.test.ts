import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { type RawAnswer, rawPost } from './raw-client.js';

const CHAT = '/v1/chat/completions';
const BODY = { model: 'm', max_tokens: 2, messages: [{ role: 'user', content: 'hi' }] };

describe('rate_limit', () => {
  let sim: RunningSim;
  let gateway: GatewayFixture;

  const yaml = (limits: string): string => `
clusters: [{ name: c, health: off, workers: [{ url: "${sim.url}", models: [m], runtime: sglang }] }]
auth: { tenants: [{ id: red, key: k-red }, { id: blue, key: k-blue }] }
limits: ${limits}
resilience: { retry: { attempts: 3, backoff: { initial: 1ms, max: 2ms } } }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`;

  before(async () => {
    sim = await startTestSim({ models: ['m'], ttft: 0, itl: 0, output_tokens: '2' });
    gateway = await startGateway(yaml('{ tenants: { default: { requests: 2/h }, "auth:blue": { requests: 4/h } } }'));
  });
  after(async () => {
    await gateway.close();
    await sim.close();
  });

  function send(key: string, fields: Record<string, string> = {}, path = CHAT): Promise<RawAnswer> {
    return rawPost('h1', gateway.port, path, BODY, { authorization: `Bearer ${key}`, ...fields }).answer;
  }

  it('counts a request once, however many attempts it takes', async () => {
    const { received } = sim.stats();
    const answer = await send('k-red', { 'x-sim-fault': 'status=503' });
    assert.equal(answer.status, 503);
    assert.equal(sim.stats().received, received + 3);
    assert.equal(answer.headers['ratelimit-remaining'], '1');
  });

  it('refuses without asking a worker, and lets other tenants pass', async () => {
    assert.equal((await send('k-red')).status, 200);
    const { received } = sim.stats();
    const refused = await send('k-red');
    assert.equal(refused.status, 429);
    assert.equal((JSON.parse(refused.body) as { error: { code: string } }).error.code, 'tenant_rate_limit_exceeded');
    assert.equal(refused.headers['ratelimit-limit'], '2');
    assert.equal(refused.headers['ratelimit-remaining'], '0');
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    assert.equal(sim.stats().received, received);
    assert.equal((await send('k-blue')).headers['ratelimit-remaining'], '3');
  });

  it('limits inference only', async () => {
    const headers = { authorization: 'Bearer k-red' };
    for (let i = 0; i < 5; i++) {
      const answer = await fetch(`${gateway.url}/v1/models`, { headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('ratelimit-limit'), null);
      await answer.arrayBuffer();
    }
  });

  it('a limit that cannot be stops the start, and says where', async () => {
    const bad = yaml('{ tenants: { default: { requests: 0/h } } }');
    await assert.rejects(startGateway(bad), /limits\.tenants\.default\.requests.*rate above 0/s);
  });

  it('keeps its buckets over a reload, also over one that is rejected', async () => {
    assert.equal((await gateway.reload(yaml('{ tenants: { default: { requests: 0/h } } }'))).ok, false);
    assert.equal((await send('k-red')).status, 429);
    assert.equal((await gateway.reload(yaml('{ concurrency: 50, tenants: { default: { requests: 2/h } } }'))).ok, true);
    assert.equal((await send('k-red')).status, 429);
    assert.equal((await gateway.reload(yaml('{ tenants: { default: { requests: 2/h, burst: 3 } } }'))).ok, true);
    assert.equal((await send('k-red')).status, 200);
    assert.equal((await send('k-red')).status, 429);
    assert.equal((await gateway.reload(yaml('{}'))).ok, true);
    assert.equal((await send('k-red')).status, 200);
  });
});
