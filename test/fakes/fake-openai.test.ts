import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import OpenAI, { APIError } from 'openai';
import { Agent, fetch as undiciFetch } from 'undici';
import { FakeOpenAi } from './fake-openai.js';

let fake: FakeOpenAi;
let agent: Agent;
let client: OpenAI;

function clientWith(apiKey: string): OpenAI {
  const fetchVia = (url: unknown, init: unknown): unknown =>
    undiciFetch(url as string, { ...(init as object), dispatcher: agent });
  return new OpenAI({ apiKey, baseURL: `${fake.provider.url}/v1`, maxRetries: 0, fetch: fetchVia as typeof fetch });
}

before(async () => {
  fake = await FakeOpenAi.start();
  agent = new Agent({ connect: { ca: fake.provider.ca } });
  client = clientWith(fake.key);
});

after(async () => {
  await agent.close();
  await fake.close();
});

const MODEL = 'gpt-4o-mini';
const USER = { role: 'user', content: 'Hi' } as const;
const TOOLS = [{ type: 'function', function: { name: 'add', parameters: { type: 'object' } } }] as const;

async function refusal(body: object, key = fake.key): Promise<APIError> {
  const request = { model: MODEL, messages: [USER], ...body } as OpenAI.ChatCompletionCreateParamsNonStreaming;
  const failed = await clientWith(key)
    .chat.completions.create(request)
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  assert.ok(failed instanceof APIError, 'it was accepted');
  return failed;
}

describe('the fake of OpenAI, asked by its own SDK', () => {
  it('answers with text, usage and the dated model', async () => {
    fake.script({ text: 'Hello there, you.', cachedTokens: 4, reasoningTokens: 2 });
    const answer = await client.chat.completions.create({ model: MODEL, messages: [USER], n: 2 });
    assert.equal(answer.model, 'gpt-4o-mini-2025-01-01');
    assert.deepEqual(
      answer.choices.map(({ message, finish_reason: reason }) => [message.content, reason]),
      [
        ['Hello there, you.', 'stop'],
        ['Hello there, you.', 'stop'],
      ],
    );
    assert.equal(answer.usage?.prompt_tokens_details?.cached_tokens, 4);
    assert.equal(answer.usage?.completion_tokens_details?.reasoning_tokens, 2);
  });

  it('streams the same, with parallel calls that the SDK puts together', async () => {
    const calls = [
      { id: 'call_1', name: 'add', arguments: '{"a":1,"b":2}' },
      { id: 'call_2', name: 'add', arguments: '' },
    ];
    fake.script({ text: 'Let me see.', calls });
    const stream = client.chat.completions.stream({
      model: MODEL,
      messages: [USER],
      tools: [...TOOLS],
      stream_options: { include_usage: true },
    });
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0]?.message.content, 'Let me see.');
    assert.equal(answer.choices[0]?.finish_reason, 'tool_calls');
    assert.deepEqual(
      answer.choices[0]?.message.tool_calls?.map(
        (call) => call.type === 'function' && [call.id, call.function.arguments],
      ),
      [
        ['call_1', '{"a":1,"b":2}'],
        ['call_2', ''],
      ],
    );
    assert.equal(answer.usage?.total_tokens, 18);
  });

  it('refuses to talk where the script says so', async () => {
    fake.script({ refusal: 'I cannot help with that.' });
    const stream = client.chat.completions.stream({ model: MODEL, messages: [USER] });
    const [choice] = (await stream.finalChatCompletion()).choices;
    assert.deepEqual([choice?.message.refusal, choice?.message.content], ['I cannot help with that.', null]);
  });

  it('breaks off, or fails in the stream', async () => {
    const read = async (): Promise<void> => {
      const stream = await client.chat.completions.create({ model: MODEL, messages: [USER], stream: true });
      for await (const chunk of stream) assert.ok(chunk.id);
    };
    fake.script({ text: 'Hello there, you.', cutAfter: 2 });
    await assert.rejects(read());
    const error = { message: 'The server had an error', type: 'server_error', code: null, param: null };
    fake.script({ text: 'Hello there, you.', cutAfter: 2, errorInStream: error });
    await assert.rejects(read(), /The server had an error/);
  });

  it('lists models and embeds', async () => {
    const list = await client.models.list();
    assert.deepEqual(
      list.data.map(({ id }) => id),
      fake.models,
    );
    await assert.rejects(client.models.retrieve('nope'), { status: 404, code: 'model_not_found' });
    const model = 'text-embedding-3-small';
    const embedded = await client.embeddings.create({ model, input: ['a', 'b'] });
    assert.deepEqual(
      embedded.data.map(({ embedding }) => embedding),
      [
        [0.125, 0.25, 0.375, 0.5],
        [0.25, 0.375, 0.5, 0.625],
      ],
    );
    await assert.rejects(client.embeddings.create({ model, input: [] }), { status: 400 });
  });

  it('refuses wrong keys and unknown models in the words of OpenAI', async () => {
    const wrong = await refusal({}, 'sk-wrong-1234567890');
    assert.deepEqual([wrong.status, wrong.code], [401, 'invalid_api_key']);
    assert.match(wrong.message, /Incorrect API key provided: sk-wrong\*+7890\./);
    const unknown = await refusal({ model: 'gpt-99' });
    assert.deepEqual([unknown.status, unknown.code], [404, 'model_not_found']);
    assert.match(unknown.message, /The model `gpt-99` does not exist or you do not have access to it\./);
  });

  for (const [about, body, message, code, param] of [
    ['an unknown argument', { top_k: 5 }, /Unrecognized request argument supplied: top_k/, null, null],
    [
      'no messages',
      { messages: undefined },
      /Missing required parameter: 'messages'/,
      'missing_required_parameter',
      'messages',
    ],
    [
      'an unknown field of a message',
      { messages: [{ ...USER, x: 1 }] },
      /Unknown parameter: 'messages\[0\]\.x'/,
      'unknown_parameter',
      'messages[0].x',
    ],
    [
      'an unknown role',
      { messages: [{ role: 'robot', content: '' }] },
      /Invalid value: 'robot'\. Supported values are: 'system',/,
      'invalid_value',
      'messages[0].role',
    ],
    [
      'a content of another type',
      { messages: [{ role: 'user', content: 5 }] },
      /Invalid type for 'messages\[0\]\.content': expected a string or an array, but got an integer/,
      'invalid_type',
      'messages[0].content',
    ],
    [
      'an unknown part',
      { messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      /Invalid value: 'smell'\./,
      'invalid_value',
      'messages[0].content[0].type',
    ],
    [
      'a number below its range',
      { max_completion_tokens: 0 },
      /Invalid 'max_completion_tokens': below minimum value\. Expected a value >= 1, but got 0/,
      'below_min_value',
      'max_completion_tokens',
    ],
    ['too many stops', { stop: ['a', 'b', 'c', 'd', 'e'] }, /Invalid 'stop': above maximum/, 'above_max_value', 'stop'],
    [
      'stream options without a stream',
      { stream_options: {} },
      /'stream_options' parameter is only allowed/,
      null,
      'stream_options',
    ],
    [
      'a choice without tools',
      { tool_choice: 'auto' },
      /'tool_choice' is only allowed when 'tools' are specified/,
      null,
      'tool_choice',
    ],
    [
      'a result that nobody called for',
      { messages: [USER, { role: 'tool', tool_call_id: 'x', content: '' }] },
      /must be a response to a preceeding message/,
      null,
      'messages.[1].role',
    ],
    [
      'a call that nobody answers',
      {
        messages: [
          USER,
          { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '' } }] },
          USER,
        ],
      },
      /did not have response messages: x/,
      null,
      'messages',
    ],
    [
      'the old limit for a model that reasons',
      { model: 'o4-mini', max_tokens: 5 },
      /Use 'max_completion_tokens' instead/,
      'unsupported_parameter',
      'max_tokens',
    ],
    [
      'a temperature for a model that reasons',
      { model: 'o4-mini', temperature: 0.2 },
      /does not support 0\.2 with this model/,
      'unsupported_value',
      'temperature',
    ],
  ] as const) {
    it(`refuses ${about}`, async () => {
      const error = await refusal(body);
      assert.equal(error.status, 400);
      assert.match(error.message, message);
      assert.deepEqual([error.code, error.param], [code, param]);
    });
  }

  it('keeps what it was asked', () => {
    assert.equal(fake.provider.inFlight, 0);
    const { method, path, headers } = fake.provider.lastRequest;
    assert.deepEqual([method, path, headers.authorization], ['POST', '/v1/chat/completions', `Bearer ${fake.key}`]);
  });
});
