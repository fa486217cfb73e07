import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  OverloadedError,
  RateLimitError,
} from '@anthropic-ai/sdk';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

describe('the @anthropic-ai/sdk package through the gateway', () => {
  let sim: RunningSim;
  let gateway: GatewayFixture;
  let client: Anthropic;
  const ask = {
    model: 'llama',
    max_tokens: 64,
    messages: [{ role: 'user' as const, content: 'Say something' }],
  };
  const fault = (text: string) => ({ headers: { 'x-sim-fault': text } });

  before(async () => {
    sim = await startTestSim({ name: 'a', models: ['llama'], ttft: 0, itl: 0, output_tokens: '12' });
    gateway = await startGateway(`
clusters:
  - name: llama
    health: off
    workers: [{ url: "${sim.url}", models: [llama], runtime: sglang }]
models: { aliases: { claude: llama } }
auth: { api_key: sk-gateway }
resilience: { retry: off }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`);
    client = new Anthropic({ baseURL: gateway.url, apiKey: 'sk-gateway', maxRetries: 0 });
  });

  after(async () => {
    await gateway.close();
    await sim.close();
  });

  it('creates a message', async () => {
    const message = await client.messages.create({ ...ask, model: 'claude' });
    assert.equal(message.type, 'message');
    assert.equal(message.content[0]?.type, 'text');
    assert.equal(message.usage.output_tokens, 12);
    assert.match(message._request_id ?? '', /^msg_/);
  });

  it('streams a message that equals the unstreamed one', async () => {
    const whole = await client.messages.create(ask);
    const stream = client.messages.stream(ask);
    let text = '';
    stream.on('text', (delta) => {
      text += delta;
    });
    const message = await stream.finalMessage();
    assert.equal(text, (whole.content[0] as Anthropic.TextBlock).text);
    assert.deepEqual(message.content, whole.content);
    assert.equal(message.stop_reason, whole.stop_reason);
    assert.match(stream.request_id ?? '', /^msg_/);
  });

  it('tells workers the version and the beta features that the caller asked for', async () => {
    await client.messages.create(ask, { headers: { 'anthropic-beta': 'x-2025' } });
    const { headers } = sim.requests().at(-1) ?? assert.fail('no request');
    const sent = JSON.stringify(headers);
    assert.match(sent, /"anthropic-version"[:,]"20\d\d-/);
    assert.match(sent, /"anthropic-beta"[:,]"x-2025"/);
    const bare = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'sk-gateway' },
      body: JSON.stringify(ask),
    });
    assert.equal(bare.status, 200);
    assert.match(JSON.stringify(sim.requests().at(-1)?.headers), /2023-06-01/);
  });

  it('counts tokens', async () => {
    const { messages } = ask;
    const { input_tokens: tokens } = await client.messages.countTokens({ model: 'llama', messages });
    assert.ok(tokens > 0);
  });

  it('lists and retrieves models', async () => {
    const models: Anthropic.ModelInfo[] = [];
    for await (const model of client.models.list()) models.push(model);
    assert.deepEqual(
      models.map(({ id, type }) => [id, type]),
      [['llama', 'model']],
    );
    const page = await client.models.list();
    assert.deepEqual([page.has_more, page.first_id, page.last_id], [false, 'llama', 'llama']);
    const model = await client.models.retrieve('llama');
    assert.equal(model.display_name, 'llama');
    assert.ok(!Number.isNaN(Date.parse(model.created_at)));
    await assert.rejects(client.models.retrieve('nope'), NotFoundError);
  });

  it('raises the classes that the SDK has for our errors', async () => {
    await assert.rejects(client.messages.create({ ...ask, model: 'none' }), (error: unknown) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.type, 'not_found_error');
      assert.match(error.requestID ?? '', /^msg_/);
      return true;
    });
    await assert.rejects(client.messages.create({ ...ask, max_tokens: 0 }), (error: unknown) => {
      assert.ok(error instanceof BadRequestError);
      assert.match(error.message, /max_tokens must be greater than 0/);
      return true;
    });
    await assert.rejects(client.messages.create({ ...ask, messages: [] }), BadRequestError);
    const old = { headers: { 'anthropic-version': '2020-01-01' } };
    await assert.rejects(client.messages.create(ask, old), BadRequestError);
    const stranger = new Anthropic({ baseURL: gateway.url, apiKey: 'sk-wrong', maxRetries: 0 });
    await assert.rejects(stranger.messages.create(ask), AuthenticationError);
    await assert.rejects(stranger.models.list(), AuthenticationError);
  });

  it('raises the classes that the SDK has for a worker’s errors', async () => {
    await assert.rejects(client.messages.create(ask, fault('status=429')), RateLimitError);
    await assert.rejects(client.messages.create(ask, fault('status=500')), InternalServerError);
    await assert.rejects(client.messages.stream(ask, fault('status=529')).finalMessage(), OverloadedError);
  });

  it('answers in the same envelope beside and below its paths', async () => {
    const unknown: unknown = await client.post('/v1/messages/batches', { body: {} }).catch((error) => error);
    assert.ok(unknown instanceof NotFoundError);
    assert.equal(unknown.type, 'not_found_error');
    const response = await fetch(`${gateway.url}/v1/messages`, { headers: { 'x-api-key': 'sk-gateway' } });
    assert.equal(response.status, 405);
    assert.equal(((await response.json()) as { type: string }).type, 'error');
    assert.match(response.headers.get('request-id') ?? '', /./);
    const chat = await fetch(`${gateway.url}/v1/models`, { headers: { 'x-api-key': 'sk-gateway' } });
    assert.equal(((await chat.json()) as { object: string }).object, 'list');
  });

  it('raises an error when the stream is cut', async () => {
    await assert.rejects(client.messages.stream(ask, fault('cut=5')).finalMessage(), (error: unknown) => {
      assert.ok(error instanceof APIError && !(error instanceof APIConnectionError));
      assert.equal(error.type, 'api_error');
      return true;
    });
  });

  it('stops the worker when the caller aborts', async () => {
    const { aborted } = sim.stats();
    const stream = await client.messages.create({ ...ask, stream: true }, fault('stall=3'));
    for await (const _ of stream) break;
    for (let i = 0; i < 500 && sim.stats().aborted === aborted; i++) await new Promise((done) => setTimeout(done, 2));
    assert.equal(sim.stats().aborted, aborted + 1);
  });
});
