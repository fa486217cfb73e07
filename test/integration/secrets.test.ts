import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { canonicalYaml } from '../../config/print.js';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

/** Every secret carries this mark; nothing that leaves the process may hold it. */
const MARK = 'MARKEDSECRET';
const GATEWAY_KEY = `sk-${MARK}-gateway`;
const WORKER_KEY = `sk-${MARK}-worker`;
const CALLER_KEY = `sk-${MARK}-caller`;

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
auth: { api_key: $file:key.txt }
telemetry:
  logs: { level: trace }
  metrics: { prometheus: { host: 127.0.0.1, port: 0 } }
resilience: { retry: { backoff: { initial: 1ms, max: 2ms } } }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`,
      { env: { WORKER_KEY }, files: { 'key.txt': `${GATEWAY_KEY}\n` } },
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
    for (const fault of ['stall=0', 'refuse', 'garbage', 'status=500', 'status=429']) {
      await call(path, GATEWAY_KEY, chat('m'), { 'x-sim-fault': fault });
    }
    for (const fault of ['cut=1', 'cut_clean=1', 'stall=1', 'garbage_chunk=1']) {
      await call(path, GATEWAY_KEY, chat('m', true), { 'x-sim-fault': fault });
    }
    await call('/workers', GATEWAY_KEY, undefined);
    await call('/v1/models', GATEWAY_KEY, undefined);
    await call('/get_server_info', GATEWAY_KEY, undefined);
    await call(`/nope?key=${GATEWAY_KEY}`, GATEWAY_KEY, undefined);
    await gateway.reload(
      `clusters: [{ workers: [{ url: "nonsense", api_key: "${WORKER_KEY}" }] }]\nauth: { api_ke: "${GATEWAY_KEY}" }`,
    );
    const config = canonicalYaml(gateway.server.loaded, { origin: true });
    const told = [...seen, gateway.logText(), await gateway.metricsText(), config].join('\n');
    // The client's own query string is its own to leak, but not ours to repeat; it counts too.
    assert.ok(told.length > 2000);
    assert.doesNotMatch(told, new RegExp(MARK));
    for (const request of sim.requests()) {
      assert.equal(request.headers.get('authorization'), `Bearer ${WORKER_KEY}`, 'only its own key reaches the worker');
    }
  });
});
