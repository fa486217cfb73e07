import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { type GatewayFixture, startGateway } from '../../core/testing/index.js';
import { FakeOpenAi } from '../fakes/fake-openai.js';

let fake: FakeOpenAi;
let other: FakeOpenAi;
let gateway: GatewayFixture;
let client: Anthropic;

before(async () => {
  // The caller brings OpenAI's key, as it would have to.
  fake = await FakeOpenAi.start({ plain: true });
  other = await FakeOpenAi.start({ plain: true, models: ['qwen'] });
  const worker = ({ provider, key }: FakeOpenAi, backend: string, model: string): string =>
    `  - { name: ${backend}, health: off, workers: [{ url: "${provider.url}", backend: ${backend}, runtime: external, api_key: ${key}, models: [${model}] }] }\n`;
  const own = worker(fake, 'openai', 'gpt-4o-mini');
  gateway = await startGateway(`clusters:\n${own}${worker(other, 'openai_compatible', 'qwen')}`);
  client = new Anthropic({ apiKey: fake.key, baseURL: gateway.url, maxRetries: 0 });
});

after(async () => {
  await gateway?.close();
  await fake.close();
  await other.close();
});

const USER = { role: 'user', content: 'Hi' } as const;
const TOOLS: Anthropic.Tool[] = [{ name: 'add', input_schema: { type: 'object' } }];

describe("Anthropic's SDK in front of OpenAI's API", () => {
  it('gets a message with calls, streamed and not', async () => {
    const calls = [{ id: 'call_1', name: 'add', arguments: '{"a":1,"b":2}' }];
    for (const stream of [false, true]) {
      fake.script({ text: 'Let me see.', calls, cachedTokens: 4 });
      const body = { model: 'gpt-4o-mini', max_tokens: 50, messages: [USER], tools: TOOLS };
      const message = stream ? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
      assert.equal(message.model, 'gpt-4o-mini-2025-01-01');
      assert.equal(message.stop_reason, 'tool_use');
      assert.deepEqual(
        message.content.map((block) => (block.type === 'tool_use' ? block.input : block.type === 'text' && block.text)),
        ['Let me see.', { a: 1, b: 2 }],
      );
      assert.deepEqual(
        [message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens],
        [7, 4, 7],
      );
      assert.equal(fake.provider.lastRequest.path, '/v1/chat/completions');
    }
  });

  it('gets errors in its own words', async () => {
    const error = { message: 'Too long.', type: 'invalid_request_error', param: null, code: 'context_length_exceeded' };
    fake.script({ error: { status: 400, json: { error } } });
    const asked = client.messages.create({ model: 'gpt-4o-mini', max_tokens: 50, messages: [USER] });
    await assert.rejects(asked, { status: 400, message: /invalid_request_error.*Too long\./ });
  });

  it('reaches a worker without the endpoint through its chat API, and asks for the endpoint once', async () => {
    const paths = async (): Promise<string[]> => {
      const before = other.provider.requests.length;
      await client.messages.create({ model: 'qwen', max_tokens: 50, messages: [USER] });
      return other.provider.requests.slice(before).map(({ path }) => path);
    };
    other.script({ error: { json: CHAT_ANSWER } }, { error: { json: CHAT_ANSWER } });
    assert.deepEqual(await paths(), ['/v1/messages', '/v1/chat/completions']);
    assert.deepEqual(await paths(), ['/v1/chat/completions']);
    assert.equal(other.provider.inFlight, 0);
  });
});

const CHAT_ANSWER = {
  id: 'chatcmpl-1',
  model: 'qwen',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Yo' }, finish_reason: 'stop' }],
};
