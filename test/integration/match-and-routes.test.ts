import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

const PLUGIN = fileURLToPath(new URL('./mark-plugin.ts', import.meta.url));
const KEYS = { red: 'key-of-red', blue: 'key-of-blue' };

interface Ask {
  readonly model?: string;
  readonly stream?: boolean;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of a chat request. */
  readonly body?: string;
  readonly path?: string;
}

async function send(gateway: GatewayFixture, ask: Ask): Promise<{ status: number; marks: string }> {
  const { model = 'small', stream = false, key = KEYS.red, headers = {}, path = '/v1/chat/completions' } = ask;
  const body =
    ask.body ?? JSON.stringify({ model, stream, max_tokens: 2, messages: [{ role: 'user', content: 'hi' }] });
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body,
  });
  await response.text();
  return { status: response.status, marks: response.headers.get('x-mark') ?? '' };
}

describe('filters with a match', () => {
  let sim: RunningSim;
  let gateway: GatewayFixture;

  before(async () => {
    sim = await startTestSim({ models: ['small', 'large'], ttft: 0, itl: 0 });
    gateway = await startGateway(`
plugins: ["${PLUGIN}"]
clusters: [{ name: c, health: off, workers: [{ url: "${sim.url}", models: [small, large] }] }]
auth: { tenants: [{ id: red, key: ${KEYS.red} }, { id: blue, key: ${KEYS.blue} }] }
models: { aliases: { tiny: small } }
filters:
  - preset: standard
  - { name: everybody, type: mark_all, before: request_id, config: { mark: everybody } }
  - { name: tier, type: mark_all, before: auth, match: { headers: { x-tier: "b*" } }, config: { mark: tier } }
  - { name: red, type: mark, after: auth, match: { tenants: [red] }, config: { mark: red } }
  - { name: path, type: mark, match: { paths: [/v1/completions] }, config: { mark: path } }
  - { name: named, type: mark, after: inference, match: { models: [tiny] }, config: { mark: named } }
  - { name: stream, type: mark, after: inference, match: { streaming: true }, config: { mark: stream } }
  - { name: small, type: mark, after: model, match: { models: [small] }, config: { mark: small } }
  - name: either
    type: mark
    after: retry
    match: { any: [{ models: [large] }, { headers: { x-tier: bulk } }] }
    config: { mark: either }
`);
  });

  after(async () => {
    await gateway.close();
    await sim.close();
  });

  for (const [name, ask, status, marks] of [
    ['the model and the tenant', {}, 200, 'small, red, everybody'],
    ['the name before the alias above model', { model: 'tiny' }, 200, 'small, named, red, everybody'],
    ['another tenant', { key: KEYS.blue }, 200, 'small, everybody'],
    ['a stream', { stream: true }, 200, 'small, stream, red, everybody'],
    ['a header', { headers: { 'x-tier': 'batch' } }, 200, 'small, red, tier, everybody'],
    [
      'the path',
      { path: '/v1/completions', body: '{"model":"small","prompt":"x"}' },
      200,
      'small, path, red, everybody',
    ],
    ['either, by the model', { model: 'large' }, 200, 'either, red, everybody'],
    ['either, by the header', { headers: { 'x-tier': 'bulk' } }, 200, 'either, small, red, tier, everybody'],
    ['nothing of a body that cannot be read', { body: '{"model":' }, 400, 'red, everybody'],
    ['nothing below the filter that refuses', { key: 'no', headers: { 'x-tier': 'bulk' } }, 401, 'tier, everybody'],
    ['a model that nobody has, which its names above model do not', { model: 'none' }, 404, 'red, everybody'],
  ] as const satisfies readonly (readonly [string, Ask, number, string])[]) {
    it(`run for ${name}`, async () => {
      const answer = await send(gateway, ask);
      assert.equal(answer.status, status);
      assert.equal(answer.marks, marks);
    });
  }

  it('run on paths that are none of ours, where they are for every request', async () => {
    assert.deepEqual(await send(gateway, { path: '/nowhere', headers: { 'x-tier': 'b' } }), {
      status: 404,
      marks: 'tier, everybody',
    });
  });
});

describe('routes that change filters', () => {
  /** Answers 503 to everything and counts. */
  let broken: Server;
  let calls = 0;
  let gateway: GatewayFixture;

  const yaml = (routes: string): string => `
plugins: ["${PLUGIN}"]
clusters:
  - name: c
    health: off
    circuit_breaker: off
    workers: [{ url: "http://127.0.0.1:${(broken.address() as AddressInfo).port}", models: [small, large] }]
resilience: { retry: { attempts: 3, backoff: { initial: 1ms, max: 2ms } } }
filters:
  - preset: standard
  - { name: above, type: mark, after: inference, config: { mark: above } }
  - { name: outer, type: mark, after: model, config: { mark: outer } }
  - { name: inner, type: mark, after: retry, config: { mark: inner }, match: { models: [small] } }
${routes}`;

  const ROUTES = `
routes:
  - { name: once, match: { headers: { x-route: once } }, cluster: c, retry: off }
  - { name: twice, match: { headers: { x-route: twice } }, cluster: c, retry: { attempts: 2 }, filters: { outer: off } }
  - name: own
    match: { headers: { x-route: own } }
    cluster: c
    filters: { outer: { config: { mark: own-outer } }, inner: { config: { mark: own-inner } } }
  - { name: plain, match: { headers: { x-route: plain } }, cluster: c }
`;

  before(async () => {
    broken = createServer((request, response) => {
      calls++;
      request.resume();
      response.writeHead(503, { 'content-type': 'application/json' }).end('{}');
    });
    broken.listen(0, '127.0.0.1');
    await once(broken, 'listening');
    gateway = await startGateway(yaml(ROUTES), {});
  });

  after(async () => {
    await gateway.close();
    broken.close();
  });

  async function ask(route: string, model = 'small'): Promise<[calls: number, marks: string]> {
    calls = 0;
    const { status, marks } = await send(gateway, { model, headers: { 'x-route': route } });
    assert.equal(status, 503);
    return [calls, marks];
  }

  it('run the chain of their own', async () => {
    assert.deepEqual(await ask('none'), [3, 'inner, outer, above']);
    assert.deepEqual(await ask('plain'), [3, 'inner, outer, above']);
    assert.deepEqual(await ask('once'), [1, 'inner, outer, above']);
    assert.deepEqual(await ask('twice'), [2, 'inner, above']);
    assert.deepEqual(await ask('own'), [3, 'own-inner, own-outer, above']);
  });

  it('keep the match of a filter whose settings they change', async () => {
    assert.deepEqual(await ask('own', 'large'), [3, 'own-outer, above']);
  });

  it('do not keep a request from its error before the route is known', async () => {
    assert.deepEqual(await send(gateway, { model: 'nobody' }), { status: 404, marks: 'above' });
  });

  it('change with a reload', async () => {
    await gateway.reload(yaml(''));
    assert.deepEqual(await ask('once'), [3, 'inner, outer, above']);
    await gateway.reload(yaml(ROUTES));
    assert.deepEqual(await ask('once'), [1, 'inner, outer, above']);
  });
});
