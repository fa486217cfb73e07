import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, {
  APIConnectionError,
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { type AnthropicScenario, FAKE_ANTHROPIC_KEY, FakeAnthropic } from '../fakes/fake-anthropic.js';

type Chat = OpenAI.Chat.ChatCompletion;
type Message = OpenAI.Chat.ChatCompletionMessage & { reasoning_content?: string; thinking_blocks?: object[] };

const MODEL = 'claude-sonnet-4-5';
const USER = { role: 'user' as const, content: 'Hi' };
const tool = (name: string) => ({
  type: 'function' as const,
  function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
});

describe('the openai package through the gateway to Anthropic', () => {
  let fake: FakeAnthropic;
  let gateway: GatewayFixture;
  let client: OpenAI;

  before(async () => {
    fake = await FakeAnthropic.start();
    const yaml = `
clusters:
  - name: claude
    provider: anthropic
    health: off
    tls: { ca: $file:ca.pem }
    workers: [{ url: "${fake.provider.url}/v1", api_key: ${FAKE_ANTHROPIC_KEY} }]
auth: { api_key: sk-gateway }
resilience: { retry: off, circuit_breaker: off }
`;
    gateway = await startGateway(yaml, { files: { 'ca.pem': fake.provider.ca } });
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-gateway', maxRetries: 0 });
  });
  after(async () => {
    await gateway.close();
    await fake.close();
  });
  beforeEach(() => {
    fake.script = {};
  });

  /** The answer, and the same streamed and put together by the SDK: they must be the same. */
  async function both(fields: object = {}, model = MODEL): Promise<{ answer: Chat; message: Message }> {
    const body = { model, messages: [USER], ...fields };
    const answer = await client.chat.completions.create(body);
    const streamed = await client.chat.completions
      .stream({ ...body, stream_options: { include_usage: true } })
      .finalChatCompletion();
    const { message, finish_reason } = streamed.choices[0] as Chat['choices'][number];
    const whole = answer.choices[0] as Chat['choices'][number];
    assert.equal(message.content, whole.message.content);
    assert.equal(finish_reason, whole.finish_reason);
    assert.deepEqual(streamed.usage, answer.usage);
    assert.equal(streamed.model, answer.model);
    const calls = (list: Chat['choices'][number]['message']['tool_calls']): unknown =>
      list?.map((call) => call.type === 'function' && [call.id, call.function.name, call.function.arguments]);
    assert.deepEqual(calls(message.tool_calls), calls(whole.message.tool_calls));
    return { answer, message: whole.message };
  }

  const workerBody = (): Record<string, unknown> => fake.provider.lastRequest.json as Record<string, unknown>;

  it('talks', async () => {
    fake.script = { usage: { cache_read_input_tokens: 7 } };
    const { answer, message } = await both({ temperature: 0.5, stop: ['END'] });
    assert.equal(message.content, 'Hello from Claude.');
    assert.equal(answer.model, MODEL);
    assert.match(answer.id, /^chatcmpl-\d+$/);
    assert.equal(answer.usage?.prompt_tokens, 17);
    assert.equal(answer.usage?.prompt_tokens_details?.cached_tokens, 7);
    const { headers, path } = fake.provider.lastRequest;
    assert.equal(path, '/v1/messages');
    assert.deepEqual(
      [headers['x-api-key'], headers.authorization, headers['anthropic-version'], headers.accept],
      [FAKE_ANTHROPIC_KEY, undefined, '2023-06-01', 'text/event-stream'],
    );
    assert.deepEqual([workerBody().temperature, workerBody().stop_sequences], [0.5, ['END']]);
  });

  it('calls tools, several at once, and goes on from their results', async () => {
    fake.script = ({ messages }): AnthropicScenario =>
      messages.length > 1
        ? {}
        : {
            content: [
              { type: 'text', text: 'I look.' },
              { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Zürich 🎉' } },
              { type: 'tool_use', id: 'toolu_2', name: 'time', input: {} },
            ],
            pieceLength: 1,
          };
    const tools = [tool('weather'), tool('time')];
    const { answer, message } = await both({ tools });
    assert.equal(answer.choices[0]?.finish_reason, 'tool_calls');
    assert.deepEqual(
      message.tool_calls?.map((call) => call.type === 'function' && JSON.parse(call.function.arguments)),
      [{ city: 'Zürich 🎉' }, {}],
    );
    const results = ['toolu_2', 'toolu_1'].map((id) => ({ role: 'tool' as const, tool_call_id: id, content: id }));
    const next = await both({ tools, messages: [USER, message, ...results, { role: 'user', content: 'And?' }] });
    assert.equal(next.message.content, 'Hello from Claude.');
    assert.equal((workerBody().messages as object[]).length, 3);
  });

  it('shows images', async () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    await both({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] });
    assert.deepEqual(workerBody().messages, [
      {
        role: 'user',
        content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } }],
      },
    ]);
  });

  it('thinks, and takes its signed thoughts back', async () => {
    const thought = { type: 'thinking', thinking: 'Let me see.', signature: 'c2ln' };
    const call = { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} };
    fake.script = { content: [thought, call], usage: { output_tokens_details: { thinking_tokens: 3 } } };
    const fields = { tools: [tool('weather')], reasoning_effort: 'low' };
    const answer = (await client.chat.completions.create({
      model: MODEL,
      messages: [USER],
      ...fields,
    } as never)) as Chat;
    const message = answer.choices[0]?.message as Message;
    assert.equal(message.reasoning_content, 'Let me see.');
    assert.deepEqual(message.thinking_blocks, [thought]);
    assert.deepEqual(workerBody().thinking, { type: 'enabled', budget_tokens: 2048 });
    const result = { role: 'tool', tool_call_id: 'toolu_1', content: 'sunny' };
    fake.script = {};
    // The fake refuses this without the thoughts, as Anthropic does.
    await client.chat.completions.create({ model: MODEL, messages: [USER, message, result], ...fields } as never);
    const { messages, thinking } = workerBody() as { messages: { content: unknown }[]; thinking: unknown };
    assert.deepEqual(messages[1]?.content, [thought, call]);
    assert.deepEqual(thinking, { type: 'enabled', budget_tokens: 2048 });
    // A client that forgets them is served without thoughts.
    const forgetful = { role: 'assistant', content: null, tool_calls: message.tool_calls };
    await client.chat.completions.create({ model: MODEL, messages: [USER, forgetful, result], ...fields } as never);
    assert.equal(workerBody().thinking, undefined);
  });

  it('answers in the form of a schema, with models that know schemas and with those that do not', async () => {
    const schema = { type: 'object', properties: { a: { type: 'integer', minimum: 1 } }, required: ['a'] };
    const response_format = { type: 'json_schema', json_schema: { name: 'out', schema, strict: true } };
    fake.script = { content: [{ type: 'text', text: '{"a":1}' }] };
    assert.equal((await both({ response_format })).message.content, '{"a":1}');
    fake.script = ({ tool_choice }) => {
      assert.equal(tool_choice?.type, 'tool');
      return { content: [{ type: 'tool_use', id: 'toolu_1', name: 'out', input: { a: 2 } }] };
    };
    const { answer, message } = await both({ response_format }, 'claude-sonnet-4-20250514');
    assert.deepEqual([message.content, message.tool_calls], ['{"a":2}', undefined]);
    assert.equal(answer.choices[0]?.finish_reason, 'stop');
  });

  it('is served by every model with the same parameters', async () => {
    for (const model of [
      'claude-3-5-haiku-latest',
      'claude-sonnet-4-20250514',
      MODEL,
      'claude-opus-4-6',
      'claude-opus-4-7',
    ]) {
      await both(
        { temperature: 1.5, top_p: 0.5, reasoning_effort: 'high', seed: 1, tools: [tool('weather')], user: 'u' },
        model,
      );
      await both({ temperature: 0.2, top_p: 0.9, tools: [tool('weather')], tool_choice: 'required' }, model);
      await both(
        { response_format: { type: 'json_object' }, reasoning_effort: 'none', max_completion_tokens: 100 },
        model,
      );
    }
  });

  it('tells what was left out and what is left of the rate limits', async () => {
    fake.script = {
      headers: {
        'anthropic-ratelimit-requests-remaining': '9',
        'anthropic-ratelimit-requests-reset': new Date(Date.now() + 3_600_000).toISOString(),
      },
    };
    const { response } = await client.chat.completions
      .create({ model: MODEL, messages: [USER], seed: 1, temperature: 2 })
      .withResponse();
    assert.equal(response.headers.get('x-smg-dropped-params'), 'temperature:clamped,seed');
    assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '9');
    assert.match(response.headers.get('x-ratelimit-reset-requests') ?? '', /^3(?:600|59\d)s$/);
    assert.match(response.headers.get('x-provider-request-id') ?? '', /^req_/);
    assert.equal(response.headers.get('request-id'), null);
  });

  it('raises the classes that the SDK has for errors', async () => {
    const fails = async (fields: object = {}): Promise<APIError> => {
      const error: unknown = await client.chat.completions
        .create({ model: MODEL, messages: [USER], ...fields } as never)
        .catch((reason: unknown) => reason);
      assert.ok(error instanceof APIError, String(error));
      return error;
    };
    const refused = await fails({ n: 2 });
    assert.ok(refused instanceof BadRequestError);
    assert.deepEqual([refused.code, refused.param], ['unsupported_parameter', 'n']);
    for (const [status, type, message, Class, code] of [
      [400, 'invalid_request_error', 'prompt is too long: 9 > 8', BadRequestError, 'context_length_exceeded'],
      [401, 'authentication_error', 'invalid x-api-key', AuthenticationError, 'invalid_api_key'],
      [404, 'not_found_error', 'model: x', NotFoundError, 'model_not_found'],
      [429, 'rate_limit_error', 'slow down', RateLimitError, 'rate_limit_exceeded'],
      [500, 'api_error', 'oops', InternalServerError, 'upstream_error'],
      [529, 'overloaded_error', 'Overloaded', InternalServerError, 'overloaded'],
    ] as const) {
      fake.script = { error: { status, type, message }, headers: { 'retry-after': '7' } };
      for (const stream of [false, true]) {
        const error = await fails({ stream });
        assert.ok(error instanceof Class, `${status}: ${error.name}`);
        assert.equal(error.code, code);
        assert.equal((error.error as { message: string }).message, message);
        if (status === 429) assert.equal(error.headers?.get('retry-after'), '7');
      }
    }
  });

  it('never takes a broken stream for a whole one', async () => {
    const read = async (): Promise<{ text: string; error: unknown }> => {
      let text = '';
      try {
        const stream = await client.chat.completions.create({ model: MODEL, messages: [USER], stream: true });
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      } catch (error) {
        return { text, error };
      }
      return { text, error: undefined };
    };
    for (const ending of ['cut', 'end', 'error', 'garbage'] as const) {
      for (let events = 0; events <= 7; events++) {
        fake.script = { after: { events, ending } };
        const { text, error } = await read();
        assert.ok(error instanceof APIError, `${ending} after ${events} events: ${text}`);
        assert.ok('Hello from Claude.'.startsWith(text), text);
        if (text !== '') assert.ok(!(error instanceof APIConnectionError), 'the error is told in band');
      }
    }
    fake.script = { after: { events: 100, ending: 'cut' } };
    assert.deepEqual(await read(), { text: 'Hello from Claude.', error: undefined });
  });

  it('stops Anthropic when the caller aborts', async () => {
    const { aborted } = fake.provider;
    const gone = async (count: number): Promise<void> => {
      for (let i = 0; i < 500 && fake.provider.aborted < count; i++) await sleep(2);
      assert.equal(fake.provider.aborted, count);
    };
    fake.script = { after: { events: 4, ending: 'hold' } };
    const stream = await client.chat.completions.create({ model: MODEL, messages: [USER], stream: true });
    for await (const _ of stream) break;
    await gone(aborted + 1);
    fake.script = { after: { events: 0, ending: 'hold' } };
    const abort = new AbortController();
    const whole = client.chat.completions.create({ model: MODEL, messages: [USER] }, { signal: abort.signal });
    for (let i = 0; i < 500 && fake.provider.inFlight === 0; i++) await sleep(2);
    abort.abort();
    await assert.rejects(Promise.resolve(whole));
    await gone(aborted + 2);
  });
});
