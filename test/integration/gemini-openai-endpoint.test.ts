import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { FakeProvider, type FakeRequest } from '../fakes/fake-provider.js';

const KEY = 'AIzaStored000000';
const ANSWER =
  '{ "id":"x","object":"chat.completion","created":1,"model":"gemini-2.5-flash","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}, "own":1.0 }';

describe("Gemini by way of its endpoint for OpenAI's clients", () => {
  let provider: FakeProvider;
  let gateway: GatewayFixture;

  before(async () => {
    provider = await FakeProvider.start(
      ({ path }) =>
        path === '/v1beta/models'
          ? { json: { models: [{ name: 'models/gemini-2.5-flash' }, { name: 'models/gemini-2.0-flash' }] } }
          : { text: ANSWER, headers: { 'content-type': 'application/json' } },
      { plain: true },
    );
    gateway = await startGateway(`
clusters:
  - { name: gemini, provider: gemini, url: "${provider.url}/v1beta/openai" }
providers: { gemini: { key: ${KEY}, dialect: openai, drop: [store] } }
resilience: { retry: off }
`);
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });
  beforeEach(() => {
    provider.requests.length = 0;
  });

  async function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
    return await fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  }
  const sent = (): FakeRequest => provider.lastRequest;
  const CHAT = { model: 'gemini-2.5-flash', messages: [{ role: 'user', content: 'Hi' }] };

  it('forwards chat, the key as a bearer token, and the answer byte for byte', async () => {
    const response = await post('/v1/chat/completions', CHAT);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), ANSWER);
    assert.equal(sent().path, '/v1beta/openai/chat/completions');
    assert.equal(sent().headers.authorization, `Bearer ${KEY}`);
    assert.equal(sent().headers['x-goog-api-key'], undefined);
    assert.deepEqual(sent().json, CHAT);
  });

  it('takes a key of the caller in either header', async () => {
    const google: Record<string, string> = { 'x-goog-api-key': 'AIzaCaller000000' };
    const bearer: Record<string, string> = { authorization: 'Bearer AIzaCaller000000' };
    for (const headers of [google, bearer]) {
      assert.equal((await post('/v1/chat/completions', CHAT, headers)).status, 200);
      assert.equal(sent().headers.authorization, 'Bearer AIzaCaller000000');
      assert.equal(sent().headers['x-goog-api-key'], undefined);
    }
  });

  it('removes `logprobs: false`, fields of engines and what is dropped; keeps `logprobs: true`', async () => {
    const strange = { ...CHAT, top_k: 1, store: true, reasoning_effort: 'low' };
    await post('/v1/chat/completions', { ...strange, logprobs: false });
    assert.deepEqual(sent().json, { ...CHAT, reasoning_effort: 'low' });
    await post('/v1/chat/completions', { ...strange, logprobs: true });
    assert.deepEqual(sent().json, { ...CHAT, reasoning_effort: 'low', logprobs: true });
  });

  it('turns requests of other apis into chat, and refuses what it has not', async () => {
    const messages = await post('/v1/messages', { ...CHAT, max_tokens: 5 });
    assert.equal(messages.status, 200);
    assert.equal(((await messages.json()) as { content: { text: string }[] }).content[0]?.text, 'Hi');
    assert.equal(sent().path, '/v1beta/openai/chat/completions');
    assert.equal((sent().json as { max_tokens: number }).max_tokens, 5);
    const completion = await post('/v1/completions', { model: CHAT.model, prompt: 'Hi' });
    assert.equal(((await completion.json()) as { choices: { text: string }[] }).choices[0]?.text, 'Hi');
    assert.equal((await post('/v1/responses', { model: CHAT.model, input: 'Hi' })).status, 501);
  });
});

it('settings of the other dialect are refused', async () => {
  for (const [block, message] of [
    ['{ drop: [x] }', /providers\.gemini\.drop: has an effect with `dialect: openai` only/],
    ['{ dialect: openai, map_web_search: true }', /map_web_search: has an effect with `dialect: native` only/],
  ] as const) {
    const yaml = `clusters: [{ name: g, provider: gemini, models: [m] }]\nproviders: { gemini: ${block} }`;
    await assert.rejects(startGateway(yaml), message);
  }
});
