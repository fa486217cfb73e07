import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import OpenAI, { APIConnectionError, APIError, AuthenticationError, NotFoundError, RateLimitError } from 'openai';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

describe('the openai package through the gateway', () => {
  let sims: RunningSim[];
  let gateway: GatewayFixture;
  let client: OpenAI;
  const messages = [{ role: 'user' as const, content: 'Say something' }];

  before(async () => {
    sims = await Promise.all(
      ['a', 'b'].map((name) => startTestSim({ name, models: ['llama'], ttft: 0, itl: 0, output_tokens: '12' })),
    );
    gateway = await startGateway(`
clusters:
  - name: llama
    policy: round_robin
    health: off
    workers: [${sims.map((sim) => `{ url: "${sim.url}", models: [llama], runtime: sglang }`).join(', ')}]
models: { aliases: { gpt: llama } }
auth: { api_key: sk-gateway }
resilience: { retry: off }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`);
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-gateway', maxRetries: 0 });
  });

  after(async () => {
    await gateway.close();
    for (const sim of sims) await sim.close();
  });

  it('answers a chat completion', async () => {
    const answer = await client.chat.completions.create({ model: 'llama', messages });
    assert.equal(answer.object, 'chat.completion');
    assert.ok((answer.choices[0]?.message.content?.length ?? 0) > 0);
    assert.equal(answer.usage?.completion_tokens, 12);
    assert.match(answer._request_id ?? '', /^chatcmpl-/);
  });

  it('streams a chat completion whose text equals the unstreamed one', async () => {
    const whole = await client.chat.completions.create({ model: 'llama', messages, seed: 7 });
    const stream = await client.chat.completions.create({
      model: 'llama',
      messages,
      seed: 7,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0]?.message.content);
    assert.equal(usage?.completion_tokens, whole.usage?.completion_tokens);
  });

  it('alternates between the workers', async () => {
    const before = sims.map((sim) => sim.stats().received);
    for (let i = 0; i < 6; i++) await client.chat.completions.create({ model: 'llama', messages });
    assert.deepEqual(
      sims.map((sim, i) => sim.stats().received - (before[i] ?? 0)),
      [3, 3],
    );
  });

  it('resolves an alias for the worker and keeps the other bytes', async () => {
    await client.chat.completions.create({ model: 'gpt', messages });
    const bodies = sims.flatMap((sim) => sim.requests().map((request) => request.body.toString('utf8')));
    assert.ok(bodies.some((body) => body.includes('"model":"llama"')));
    assert.ok(!bodies.some((body) => body.includes('"gpt"')));
  });

  it('lists and retrieves models', async () => {
    const list = await client.models.list();
    assert.deepEqual(
      list.data.map((model) => model.id),
      ['llama'],
    );
    assert.equal((await client.models.retrieve('llama')).id, 'llama');
    await assert.rejects(client.models.retrieve('nope'), NotFoundError);
  });

  it('embeds', async () => {
    const answer = await client.embeddings.create({ model: 'llama', input: 'hello' });
    assert.ok((answer.data[0]?.embedding.length ?? 0) > 0);
  });

  it('raises the classes that the SDK has for our errors', async () => {
    await assert.rejects(client.chat.completions.create({ model: 'none', messages }), (error: unknown) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.code, 'model_not_found');
      assert.equal(error.type, 'not_found_error');
      return true;
    });
    const stranger = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 });
    await assert.rejects(stranger.chat.completions.create({ model: 'llama', messages }), AuthenticationError);
    await assert.rejects(
      client.chat.completions.create({ model: 'llama', messages }, { headers: { 'x-sim-fault': 'status=429' } }),
      RateLimitError,
    );
  });

  it('raises RateLimitError for limits of its own, with code and time to wait', async () => {
    const workers = `[{ url: "${sims[0]?.url}", models: [llama], runtime: sglang }]`;
    const limited = await startGateway(`
clusters: [{ name: llama, health: off, workers: ${workers} }]
limits: { concurrency: { max: 1, queue: 0 }, tenants: { default: { requests: 2/h } } }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`);
    const caller = new OpenAI({ baseURL: `${limited.url}/v1`, apiKey: 'any', maxRetries: 0 });
    const refusal = async (): Promise<RateLimitError> => {
      const error: unknown = await caller.chat.completions
        .create({ model: 'llama', messages })
        .catch((reason) => reason);
      assert.ok(error instanceof RateLimitError);
      return error;
    };
    try {
      const stalled = { headers: { 'x-sim-fault': 'stall=2' } };
      const stream = await caller.chat.completions.create({ model: 'llama', messages, stream: true }, stalled);
      const full = await refusal();
      assert.deepEqual([full.code, full.type], ['admission_queue_full', 'rate_limit_error']);
      assert.equal(full.headers.get('retry-after'), '2');
      assert.equal(full.headers.get('ratelimit-remaining'), '0');
      stream.controller.abort();
      const limit = await refusal();
      assert.equal(limit.code, 'tenant_rate_limit_exceeded');
      assert.ok(Number(limit.headers.get('retry-after')) > 1700);
    } finally {
      await limited.close();
    }
  });

  it('raises an error when the stream is cut', async () => {
    const stream = await client.chat.completions.create(
      { model: 'llama', messages, stream: true },
      { headers: { 'x-sim-fault': 'cut=3' } },
    );
    await assert.rejects(
      async () => {
        for await (const _ of stream);
      },
      (error: unknown) => {
        assert.ok(error instanceof APIError && !(error instanceof APIConnectionError));
        assert.equal(error.code, 'upstream_reset');
        return true;
      },
    );
  });

  it('stops the worker when the caller aborts', async () => {
    const aborted = sims.reduce((sum, sim) => sum + sim.stats().aborted, 0);
    const stream = await client.chat.completions.create(
      { model: 'llama', messages, stream: true },
      { headers: { 'x-sim-fault': 'stall=2' } },
    );
    for await (const _ of stream) break;
    for (let i = 0; i < 500 && sims.reduce((sum, sim) => sum + sim.stats().aborted, 0) === aborted; i++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal(
      sims.reduce((sum, sim) => sum + sim.stats().aborted, 0),
      aborted + 1,
    );
  });
});
