import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { canonicalYaml } from '../../config/print.js';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import { createTestAuthority } from '../../core/testing/test-certificates.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

/** Every secret carries this mark; nothing that leaves the process may hold it. */
const MARK = 'MARKEDSECRET';
const GATEWAY_KEY = `sk-${MARK}-gateway`;
const WORKER_KEY = `sk-${MARK}-worker`;
const CALLER_KEY = `sk-${MARK}-caller`;
const TENANT_KEY = `${MARK}-tenant`;
const ADMIN_KEY = `${MARK}:admin`;
const USER_KEY = `${MARK}-user`;

describe('secrets', () => {
  let sim: RunningSim;
  let gateway: GatewayFixture;
  const seen: string[] = [];

  before(async () => {
    sim = await startTestSim({ models: ['m'], api_key: WORKER_KEY, ttft: 0, itl: 0 });
    gateway = await startGateway(
      `
clusters:
  - name: c
    health: off
    timeouts: { first_byte: 200ms, idle: 200ms }
    workers:
      - { url: "${sim.url}", models: [m], api_key: $WORKER_KEY }
      - { url: "http://127.0.0.1:1", models: [dead], api_key: "${WORKER_KEY}" }
auth:
  api_key: $file:key.txt
  tenants: [{ id: red, key: $TENANT_KEY }]
  admin: { keys: [{ id: ops, role: admin, key: "${ADMIN_KEY}" }, { id: look, role: user, key: "${USER_KEY}" }] }
telemetry:
  logs: { level: trace }
  metrics: { prometheus: { host: 127.0.0.1, port: 0 } }
resilience: { retry: { backoff: { initial: 1ms, max: 2ms } } }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`,
      { env: { WORKER_KEY, TENANT_KEY }, files: { 'key.txt': `${GATEWAY_KEY}\n` } },
    );
  });

  after(async () => {
    await gateway.close();
    await sim.close();
  });

  async function call(
    path: string,
    key: string,
    body: string | undefined,
    headers: Record<string, string> = {},
  ): Promise<number> {
    const response = await fetch(`${gateway.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    let text = '';
    try {
      text = await response.text();
    } catch (error) {
      text = String(error);
    }
    seen.push(JSON.stringify([...response.headers]), text);
    return response.status;
  }

  it('are in no answer, log line, metric or printed config, on any error path', async () => {
    const chat = (model: string, stream = false): string =>
      JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'hi' }] });
    const path = '/v1/chat/completions';
    assert.equal(await call(path, GATEWAY_KEY, chat('m')), 200, 'the worker key is used');
    assert.equal(await call(path, CALLER_KEY, chat('m')), 401);
    assert.equal(await call(path, GATEWAY_KEY, chat('dead')), 502);
    assert.equal(await call(path, GATEWAY_KEY, chat('none')), 404);
    assert.equal(await call(path, GATEWAY_KEY, '{"model":'), 400);
    assert.equal(await call(path, GATEWAY_KEY, chat('m'), { 'content-type': `text/${MARK.toLowerCase()}` }), 415);
    // However often and wherever a client puts its key: a worker sees its own and nothing else.
    const copies = { 'x-api-key': ADMIN_KEY, 'x-goog-api-key': TENANT_KEY, 'api-key': GATEWAY_KEY };
    assert.equal(await call(`${path}?key=${TENANT_KEY}&api_key=${ADMIN_KEY}`, TENANT_KEY, chat('m'), copies), 200);
    for (const fault of ['stall=0', 'refuse', 'garbage', 'status=500', 'status=429']) {
      await call(path, GATEWAY_KEY, chat('m'), { 'x-sim-fault': fault });
    }
    for (const fault of ['cut=1', 'cut_clean=1', 'stall=1', 'garbage_chunk=1']) {
      await call(path, GATEWAY_KEY, chat('m', true), { 'x-sim-fault': fault });
    }
    assert.equal(await call('/workers', GATEWAY_KEY, undefined), 401);
    assert.equal(await call('/workers', ADMIN_KEY, undefined), 200);
    assert.equal(await call('/workers', USER_KEY, undefined), 200);
    await call('/v1/models', GATEWAY_KEY, undefined);
    await call('/get_server_info', GATEWAY_KEY, undefined);
    await call(`/nope?key=${GATEWAY_KEY}`, GATEWAY_KEY, undefined);
    await gateway.reload(
      `clusters: [{ workers: [{ url: "nonsense", api_key: "${WORKER_KEY}" }] }]\nauth: { api_ke: "${GATEWAY_KEY}" }`,
    );
    const twice = `{ tenants: [{ id: a, key: ${TENANT_KEY} }, { id: b, key: ${TENANT_KEY} }] }`;
    assert.equal((await gateway.reload(`clusters: [http://127.0.0.1:1]\nauth: ${twice}`)).ok, false);
    const config = canonicalYaml(gateway.server.loaded, { origin: true });
    const told = [...seen, gateway.logText(), await gateway.metricsText(), config].join('\n');
    // The client's own query string is its own to leak, but not ours to repeat; it counts too.
    assert.ok(told.length > 2000);
    assert.doesNotMatch(told, new RegExp(MARK));
    for (const request of sim.requests()) {
      assert.equal(request.headers.get('authorization'), `Bearer ${WORKER_KEY}`, 'only its own key reaches the worker');
      const rest = [...request.headers.flat, request.path].filter((text) => text !== `Bearer ${WORKER_KEY}`);
      assert.doesNotMatch(rest.join('\n'), new RegExp(MARK));
    }
  });

  it('are in no word about private keys of TLS', async () => {
    const authority = createTestAuthority();
    const [server, client] = [authority.issue(), authority.issue()];
    const files = { 's.pem': server.cert, 's.key': server.key, 'c.pem': client.cert, 'c.key': client.key };
    const yaml = `
listeners: [{ name: main, host: 127.0.0.1, port: 0, tls: { cert: $file:s.pem, key: $file:s.key } }]
clusters: [{ name: c, workers: ["https://127.0.0.1:1"], tls: { cert: $file:c.pem, key: $file:c.key }, health: off }]
telemetry: { logs: { level: trace }, metrics: { prometheus: { host: 127.0.0.1, port: 0 } } }`;
    const secured = await startGateway(yaml, { files });
    try {
      // A key that does not fit, and one that is none: both are refused with words about them.
      for (const key of [client.key, `${server.key.slice(0, 100)}\n-----END PRIVATE KEY-----\n`]) {
        await writeFile(join(secured.dir, 's.key'), key);
        assert.equal((await secured.reload(yaml)).ok, false);
      }
      const config = canonicalYaml(secured.server.loaded, { origin: true });
      const spec = secured.server.services.registry.list()[0]?.spec();
      const told = [
        secured.logText(),
        await secured.metricsText(),
        config,
        JSON.stringify(spec),
        inspect(spec, { depth: 9 }),
      ];
      assert.match(told.join(), /tls\.key/);
      for (const { key } of [server, client]) {
        for (const line of key.split('\n').filter((text) => text.length > 20 && !text.startsWith('-----'))) {
          assert.ok(!told.join('\n').includes(line.slice(0, 20)));
        }
      }
    } finally {
      await secured.close();
    }
  });
});
