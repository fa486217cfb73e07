import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

const BODY = { model: 'm', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 };

/** Settings of the simulated engine that are the same in all cases: quick and short. */
const QUICK = { models: ['m'], ttft: '1ms', itl: 0, output_tokens: '4' };

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: string | null;
}

async function ask(gateway: GatewayFixture, body: object = BODY): Promise<Answer> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const code = response.ok ? '' : ((JSON.parse(text) as { error: { code: string } }).error?.code ?? '');
  return { status: response.status, code, retryAfter: response.headers.get('retry-after') };
}

async function askMany(gateway: GatewayFixture, count: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i += 1) statuses.push((await ask(gateway)).status);
  return statuses;
}

/** Waits until the metrics of the gateway have a line like this. */
async function untilMetric(gateway: GatewayFixture, pattern: RegExp): Promise<void> {
  for (let i = 0; i < 500; i += 1) {
    if (pattern.test(await gateway.metricsText())) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`${pattern} never came`);
}

/** Inference requests that arrived at the engine. */
async function received(sim: RunningSim): Promise<number> {
  const state = (await (await fetch(`${sim.url}/sim/state`)).json()) as { received: number };
  return state.received;
}

describe('circuit breaker, end to end', () => {
  const open: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const thing of open.splice(0).reverse()) await thing.close();
  });

  async function sim(options: Parameters<typeof startTestSim>[0] = {}): Promise<RunningSim> {
    const engine = await startTestSim({ ...QUICK, ...options });
    open.push(engine);
    return engine;
  }

  async function gatewayOver(engines: readonly RunningSim[], settings: string, rest = ''): Promise<GatewayFixture> {
    const workers = engines.map((engine) => `{ url: "${engine.url}", models: [m], runtime: sglang }`).join(', ');
    const gateway = await startGateway(`
clusters:
  - { name: c, policy: round_robin, workers: [${workers}]${settings} }
${rest === '' ? 'resilience: { retry: off }' : rest}
`);
    open.push(gateway);
    return gateway;
  }

  it('three failures: the worker gets no more, and the client a 503 with Retry-After at once', async () => {
    const broken = await sim({ fault: 'status=500' });
    const gateway = await gatewayOver([broken], ', circuit_breaker: { failures: 3 }');
    assert.deepEqual(await askMany(gateway, 3), [500, 500, 500]);
    const before = await received(broken);
    const { status, code, retryAfter } = await ask(gateway);
    assert.deepEqual([status, code, retryAfter], [503, 'no_available_workers', '1']);
    assert.equal(await received(broken), before, 'nothing was dispatched');
    const metrics = await gateway.metricsText();
    assert.match(metrics, /smg_worker_cb_state\{worker="[^"]+"\} 1\n/);
    assert.match(metrics, /smg_worker_cb_transitions_total\{worker="[^"]+",from="closed",to="open"\} 1\n/);
    assert.match(metrics, /smg_worker_cb_outcomes_total\{worker="[^"]+",outcome="failure"\} 3\n/);
  });

  it('off: every failure reaches the worker', async () => {
    const gateway = await gatewayOver([await sim({ fault: 'status=500' })], ', circuit_breaker: off');
    assert.deepEqual(new Set(await askMany(gateway, 15)), new Set([500]));
  });

  it('429 is neutral', async () => {
    const gateway = await gatewayOver([await sim({ fault: 'status=429' })], ', circuit_breaker: { failures: 3 }');
    assert.deepEqual(new Set(await askMany(gateway, 12)), new Set([429]));
  });

  it('isolation: the healthy worker keeps its share and then has all', async () => {
    const gateway = await gatewayOver(
      [await sim({ fault: 'status=500' }), await sim()],
      ', circuit_breaker: { failures: 3 }',
    );
    const statuses = await askMany(gateway, 20);
    assert.equal(statuses.filter((status) => status === 500).length, 3);
  });

  it('half-open closes after good answers', async () => {
    const engine = await sim({ fault: 'status=500;times=3' });
    const gateway = await gatewayOver([engine], ', circuit_breaker: { failures: 3, successes: 2, open_for: 100ms }');
    await askMany(gateway, 3);
    await untilMetric(gateway, /smg_worker_cb_state\{worker="[^"]+"\} 2\n/);
    assert.deepEqual(await askMany(gateway, 2), [200, 200]);
    assert.match(await gateway.metricsText(), /smg_worker_cb_state\{worker="[^"]+"\} 0\n/);
  });

  it('half-open opens again with one failure', async () => {
    const gateway = await gatewayOver(
      [await sim({ fault: 'status=500' })],
      ', circuit_breaker: { failures: 2, open_for: 100ms }',
    );
    await askMany(gateway, 2);
    await untilMetric(gateway, /smg_worker_cb_state\{worker="[^"]+"\} 2\n/);
    assert.deepEqual(await askMany(gateway, 1), [500]);
    assert.match(await gateway.metricsText(), /from="half_open",to="open"\} 1\n/);
  });

  it('answers that break off in the middle count as failures', async () => {
    const gateway = await gatewayOver([await sim({ fault: 'cut=1' })], ', circuit_breaker: { failures: 3 }');
    for (let i = 0; i < 3; i += 1) {
      await assert.doesNotReject(async () => {
        const response = await fetch(`${gateway.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...BODY, max_tokens: 16, stream: true }),
        });
        await response.text();
      });
    }
    await untilMetric(gateway, /smg_worker_cb_transitions_total\{worker="[^"]+",from="closed",to="open"\} 1\n/);
  });

  it('one request counts once however often it is retried on the worker', async () => {
    const gateway = await gatewayOver(
      [await sim({ fault: 'status=503' })],
      ', circuit_breaker: { failures: 3 }',
      'resilience: { retry: { attempts: 5, backoff: { initial: 1ms, max: 1ms } } }',
    );
    assert.deepEqual(await askMany(gateway, 2), [503, 503]);
    assert.match(await gateway.metricsText(), /smg_worker_cb_consecutive_failures\{worker="[^"]+"\} 2\n/);
  });

  it('fault tolerance: one of two fails, three attempts, ten requests: all 200', async () => {
    const gateway = await gatewayOver(
      [await sim({ fault: 'status=500' }), await sim()],
      '',
      'resilience: { retry: { attempts: 3 } }',
    );
    assert.deepEqual(new Set(await askMany(gateway, 10)), new Set([200]));
  });

  it('fault tolerance: a slow worker fails nobody', async () => {
    const gateway = await gatewayOver([await sim({ ttft: '150ms' }), await sim()], '');
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(gateway)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  });

  it('fault tolerance: a failing minority leaves the majority of answers good', async () => {
    const gateway = await gatewayOver([await sim({ fault: 'status=503' }), await sim(), await sim()], '');
    const good = (await askMany(gateway, 12)).filter((status) => status === 200).length;
    assert.ok(good >= 8, `${good} of 12`);
  });

  it('a request that its client gives up is no outcome', async () => {
    const gateway = await gatewayOver([await sim({ ttft: '5s' })], ', circuit_breaker: { failures: 1 }');
    const abort = new AbortController();
    const request = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(BODY),
      signal: abort.signal,
    });
    await untilMetric(gateway, /smg_worker_requests_active\{worker="[^"]+"\} 1\n/);
    abort.abort();
    await assert.rejects(request);
    await untilMetric(gateway, /smg_worker_requests_active\{worker="[^"]+"\} 0\n/);
    assert.match(await gateway.metricsText(), /smg_worker_cb_state\{worker="[^"]+"\} 0\n/);
  });
});
