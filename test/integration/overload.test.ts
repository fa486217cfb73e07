import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

const BODY = { model: 'm', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 400 };

describe('overload protection, end to end', () => {
  const open: { close(): Promise<void> }[] = [];
  const aborts: AbortController[] = [];

  afterEach(async () => {
    for (const abort of aborts.splice(0)) abort.abort();
    for (const thing of open.splice(0).reverse()) await thing.close();
  });

  async function sim(runtime: 'sglang' | 'vllm'): Promise<RunningSim> {
    const engine = await startTestSim({ models: ['m'], runtime, max_batch: 1, ttft: '1ms', itl: '20ms' });
    open.push(engine);
    return engine;
  }

  /** Puts work on an engine past the gateway: one request runs, the others wait. */
  function load(engine: RunningSim, count: number): AbortController {
    const abort = new AbortController();
    aborts.push(abort);
    for (let i = 0; i < count; i += 1) {
      const body = JSON.stringify({ ...BODY, min_tokens: 400, ignore_eos: true });
      const headers = { 'content-type': 'application/json', 'x-sim-output-tokens': '400' };
      fetch(`${engine.url}/v1/chat/completions`, { method: 'POST', headers, body, signal: abort.signal })
        .then((response) => response.text())
        // Aborted at the end of the test: nothing waits for the answer.
        .catch(() => {});
    }
    return abort;
  }

  async function gatewayOver(engines: readonly [RunningSim, string][], overload: string): Promise<GatewayFixture> {
    const workers = engines.map(([engine, runtime]) => `{ url: "${engine.url}", models: [m], runtime: ${runtime} }`);
    const gateway = await startGateway(`
clusters:
  - { name: c, policy: round_robin, workers: [${workers.join(', ')}], load: { poll_every: 1s } }
resilience: { overload: ${overload} }
`);
    open.push(gateway);
    return gateway;
  }

  async function ask(gateway: GatewayFixture): Promise<Response> {
    return fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...BODY, max_tokens: 1 }),
    });
  }

  async function untilOverloaded(gateway: GatewayFixture, count: number): Promise<void> {
    const pattern = new RegExp(`smg_workers_overloaded\\{model="m"\\} ${count}\n`);
    for (let i = 0; i < 1_000; i += 1) {
      if (pattern.test(await gateway.metricsText())) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail(`never ${count} overloaded workers`);
  }

  it('a flagged engine gets no requests while another one has room; the flag goes when the queue does', async () => {
    const [busy, free] = [await sim('sglang'), await sim('vllm')];
    const work = load(busy, 4);
    const gateway = await gatewayOver(
      [
        [busy, 'sglang'],
        [free, 'vllm'],
      ],
      '{ waiting_requests: 2 }',
    );
    await untilOverloaded(gateway, 1);
    for (let i = 0; i < 4; i += 1) assert.equal((await ask(gateway)).status, 200);
    const state = (await (await fetch(`${busy.url}/sim/state`)).json()) as { received: number };
    assert.equal(state.received, 4, 'only what was put there past the gateway');
    work.abort();
    await untilOverloaded(gateway, 0);
  });

  for (const runtime of ['sglang', 'vllm'] as const) {
    it(`all flagged and shed: 503 with Retry-After at once, not retried (${runtime})`, async () => {
      const busy = await sim(runtime);
      load(busy, 4);
      const gateway = await gatewayOver([[busy, runtime]], '{ waiting_requests: 2, shed: true }');
      await untilOverloaded(gateway, 1);
      const response = await ask(gateway);
      assert.equal(response.status, 503);
      assert.equal(response.headers.get('retry-after'), '1');
      const { error } = (await response.json()) as { error: { code: string } };
      assert.equal(error.code, 'worker_overload_protection_shed');
      const metrics = await gateway.metricsText();
      assert.match(metrics, /smg_worker_overload_shed_total\{stage="selection"\} 1\n/);
      assert.doesNotMatch(metrics, /smg_worker_retries_total\{[^}]*\} [1-9]/);
    });
  }

  it('all flagged without shed: the least loaded takes the request', async () => {
    const busy = await sim('sglang');
    const work = load(busy, 4);
    const gateway = await gatewayOver([[busy, 'sglang']], '{ waiting_requests: 2 }');
    await untilOverloaded(gateway, 1);
    const answer = ask(gateway);
    work.abort();
    assert.equal((await answer).status, 200);
  });
});
