import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Anthropic, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
} from '@anthropic-ai/sdk';
import { FAKE_ANTHROPIC_KEY, FakeAnthropic } from './fake-anthropic.js';

type Body = Record<string, unknown>;
const USER = { role: 'user', content: 'Hi' };
const MODEL = 'claude-sonnet-4-5';

/** Without the id, and without what the SDK adds of its own. */
function asSent(message: Anthropic.Message): unknown {
  return JSON.parse(
    JSON.stringify(message, (key, value) =>
      (key === 'id' && String(value).startsWith('msg_')) || key === 'parsed_output' ? undefined : value,
    ),
  );
}

describe('the fake of Anthropic, as its SDK sees it', () => {
  let fake: FakeAnthropic;
  let client: Anthropic;
  const create = (fields: Body = {}): Promise<Anthropic.Message> =>
    client.messages.create(
      {
        model: MODEL,
        max_tokens: 50,
        messages: [USER],
        ...fields,
      } as never,
      { timeout: 60_000 },
    ) as Promise<Anthropic.Message>;

  before(async () => {
    fake = await FakeAnthropic.start({ plain: true });
    client = new Anthropic({ baseURL: fake.provider.url, apiKey: FAKE_ANTHROPIC_KEY, maxRetries: 0 });
  });
  after(() => fake.close());

  it('streams what it answers whole', async () => {
    fake.script = {
      content: [
        { type: 'thinking', thinking: 'Let me see…', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'eHh4' },
        { type: 'text', text: 'Ünïcode 🎉 text' },
        { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: [1, { b: '🎉' }] } },
        { type: 'tool_use', id: 'toolu_2', name: 'f', input: {} },
      ],
      usage: { cache_read_input_tokens: 5 },
      pieceLength: 1,
    };
    const tools = [{ name: 'f', input_schema: { type: 'object' as const } }];
    const whole = await create({ tools });
    const stream = client.messages.stream({
      model: MODEL,
      max_tokens: 50,
      messages: [{ role: 'user', content: 'Hi' }],
      tools,
    });
    const streamed = await stream.finalMessage();
    assert.deepEqual(asSent(streamed), asSent(whole));
    assert.equal(whole.stop_reason, 'tool_use');
    assert.deepEqual(streamed.content[3], {
      type: 'tool_use',
      id: 'toolu_1',
      name: 'f',
      input: { a: [1, { b: '🎉' }] },
    });
  });

  it('counts tokens and lists models', async () => {
    const { input_tokens } = await client.messages.countTokens({
      model: MODEL,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    assert.ok(input_tokens > 0);
    const models = await client.models.list();
    assert.ok(models.data.some(({ id }) => id === MODEL));
  });

  it('wants a key and a version', async () => {
    const stranger = new Anthropic({ baseURL: fake.provider.url, apiKey: 'sk-ant-other', maxRetries: 0 });
    await assert.rejects(stranger.messages.create({ model: MODEL, max_tokens: 1, messages: [] }), AuthenticationError);
    const post = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${fake.provider.url}/v1/messages`, { method: 'POST', headers, body: '{}' });
    assert.equal((await post({ 'anthropic-version': '2023-06-01' })).status, 401);
    assert.equal((await post({ 'x-api-key': FAKE_ANTHROPIC_KEY })).status, 400);
  });

  it('refuses what Anthropic refuses, in its words', async () => {
    fake.script = {};
    const call = { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }] };
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'r' }] };
    const tools = [{ name: 'f', input_schema: { type: 'object' } }];
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    const refusals: readonly (readonly [Body, string | RegExp])[] = [
      [{ max_tokens: undefined }, 'max_tokens: Field required'],
      [{ max_tokens: 0 }, 'max_tokens: Input should be greater than or equal to 1'],
      [{ max_tokens: 100_000 }, /^max_tokens: 100000 > 64000/],
      [{ n: 2 }, 'n: Extra inputs are not permitted'],
      [{ temperature: 1.4 }, 'temperature: Input should be less than or equal to 1'],
      [{ temperature: 0.5, top_p: 0.5 }, /cannot both be specified/],
      [{ model: 'claude-opus-4-7', temperature: 1 }, /`temperature` is not supported/],
      [{ stop_sequences: [''] }, /^stop_sequences\.0:/],
      [{ messages: [] }, /^messages: /],
      [{ messages: [{ role: 'system', content: 'a' }] }, /^messages\.0\.role: Input should be 'user' or 'assistant'/],
      [{ messages: [{ role: 'assistant', content: 'a' }, USER] }, /first message must use the "user" role/],
      [{ messages: [{ role: 'user', content: '' }] }, /text content blocks must be non-empty/],
      [{ messages: [{ role: 'user', content: [{ type: 'text', text: ' ' }] }] }, /non-whitespace/],
      [
        { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
        /^messages\.0\.content\.0\.type: /,
      ],
      [{ messages: [USER, { role: 'assistant', content: 'a ' }] }, /trailing whitespace/],
      [{ model: 'claude-opus-4-6', messages: [USER, { role: 'assistant', content: 'a' }] }, /prefill/],
      [{ messages: [USER, call, USER], tools }, /`tool_use` ids were found without `tool_result` blocks/],
      [{ messages: [USER, result], tools }, /unexpected `tool_use_id`/],
      [{ messages: [USER, call, result] }, /must define tools/],
      [
        { messages: [USER, call, { role: 'user', content: [{ type: 'text', text: 'a' }, ...result.content] }], tools },
        /come before other content/,
      ],
      [{ tools: [{ name: 'a.b', input_schema: { type: 'object' } }] }, /^tools\.0\.name/],
      [{ tools: [{ name: 'f', input_schema: { type: 'string' } }] }, /^tools\.0\.input_schema\.type/],
      [{ tools: [...tools, ...tools] }, /unique/],
      [{ tools, tool_choice: { type: 'tool', name: 'g' } }, /not found/],
      [{ tool_choice: { type: 'auto' } }, /while providing tools/],
      [{ thinking }, /greater than `thinking.budget_tokens`/],
      [{ thinking: { type: 'enabled', budget_tokens: 5 } }, /greater than or equal to 1024/],
      [{ thinking: { type: 'adaptive' } }, /not supported on this model/],
      [{ max_tokens: 9000, thinking, temperature: 0.5 }, /may only be set to 1/],
      [{ max_tokens: 9000, thinking, tools, tool_choice: { type: 'any' } }, /forces tool use/],
      [{ max_tokens: 9000, thinking, tools, messages: [USER, call, result] }, /Expected `thinking`/],
      [{ output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } }, /additionalProperties/],
      [
        { model: 'claude-sonnet-4-20250514', output_config: { format: { type: 'json_schema', schema: {} } } },
        /not supported for this model/,
      ],
      [{ metadata: { user_id: 'u'.repeat(300) } }, /^metadata\.user_id/],
    ];
    for (const [fields, expected] of refusals) {
      const error: unknown = await create(fields).catch((reason: unknown) => reason);
      assert.ok(error instanceof BadRequestError, `${JSON.stringify(fields)}: ${String(error)}`);
      assert.equal(error.type, 'invalid_request_error');
      const message = (error.error as { error: { message: string } }).error.message;
      if (typeof expected === 'string') assert.equal(message, expected);
      else assert.match(message, expected);
    }
    await assert.rejects(create({ model: 'claude-none' }), NotFoundError);
    await create({
      messages: [USER, call, result],
      tools,
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    });
  });

  it('fails as it is told to', async () => {
    fake.script = {
      error: { status: 529, type: 'overloaded_error', message: 'Overloaded' },
      headers: { 'retry-after': '1' },
    };
    await assert.rejects(create(), InternalServerError);
    const streaming = (): Promise<Anthropic.Message> =>
      client.messages
        .stream({ model: MODEL, max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] })
        .finalMessage();
    fake.script = { after: { events: 4, ending: 'error' } };
    await assert.rejects(streaming(), (error) => error instanceof APIError && error.type === 'overloaded_error');
    fake.script = { after: { events: 4, ending: 'cut' } };
    await assert.rejects(streaming());
    fake.script = { after: { events: 1, ending: 'cut' } };
    await assert.rejects(create(), (error) => error instanceof APIConnectionError || error instanceof TypeError);
  });
});
