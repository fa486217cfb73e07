import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { FakeGemini, type GeminiScript } from '../fakes/fake-gemini.js';
import { googleError, quotaError } from '../fakes/gemini-errors.js';
import { settled, until } from '../integration/kill-matrix-cases.js';

type Message = OpenAI.ChatCompletionMessageParam;
type Choice = OpenAI.ChatCompletion.Choice;

const MODEL = 'gemini-2.5-flash';
const SIGNING = 'gemini-3-pro-preview';
const USER: Message = { role: 'user', content: 'Hi' };
const TOOLS: OpenAI.ChatCompletionTool[] = ['add', 'now'].map((name) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: { a: { type: 'number' } } } },
}));

/** Two calls of one step; the first is signed. */
const TWO_CALLS: GeminiScript = {
  pieces: [
    { parts: [{ text: 'thinking', thought: true }] },
    { parts: [{ functionCall: { name: 'add', args: { a: 1 } }, thoughtSignature: 'c2lnbmF0dXJl' }] },
    { parts: [{ functionCall: { name: 'now', args: {} } }] },
    { parts: [], finish: 'STOP' },
  ],
  thoughtTokens: 7,
};

describe('the openai package through the gateway, a Gemini worker behind it', () => {
  let fake: FakeGemini;
  let gateway: GatewayFixture;
  let client: OpenAI;

  before(async () => {
    fake = await FakeGemini.start();
    gateway = await startGateway(
      `
clusters:
  - name: gemini
    health: off
    workers: [{ url: "${fake.provider.url}", provider: gemini, backend: gemini, runtime: external, api_key: $GEMINI_KEY, models: [gemini-2.0-flash, ${MODEL}, ${SIGNING}, gone] }]
    byok: deny
    tls: { ca: $file:ca.pem }
resilience: { retry: off }
`,
      { env: { GEMINI_KEY: fake.key }, files: { 'ca.pem': fake.provider.ca } },
    );
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 });
  });

  after(async () => {
    await gateway.close();
    await fake.close();
  });

  beforeEach(() => settled(gateway));

  /** The same scripted answer twice: collected, and accumulated by the SDK from a stream. */
  async function both(
    script: GeminiScript,
    ask: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {},
  ): Promise<Choice[]> {
    fake.script(script, script);
    const body = { model: MODEL, messages: [USER], ...ask };
    const whole = await client.chat.completions.create(body);
    const stream = client.chat.completions.stream({ ...body, stream: true, stream_options: { include_usage: true } });
    const streamed = await stream.finalChatCompletion();
    assert.deepEqual(streamed.usage, whole.usage);
    assert.equal(streamed.model, whole.model);
    assert.deepEqual(streamed.choices.map(comparable), whole.choices.map(comparable));
    return whole.choices;
  }

  it('answers, streamed and not', async () => {
    const script = { pieces: [{ parts: [{ text: 'Hel' }] }, { parts: [{ text: 'lo' }], finish: 'MAX_TOKENS' }] };
    const [choice] = await both(script, { max_tokens: 5 });
    assert.equal(choice?.message.content, 'Hello');
    assert.equal(choice?.finish_reason, 'length');
    const { path, query, headers } = fake.provider.lastRequest;
    assert.equal(path, `/v1beta/models/${MODEL}:streamGenerateContent`);
    assert.deepEqual([...query], [['alt', 'sse']]);
    assert.equal(headers.authorization, undefined);
    assert.equal(gateway.logText().includes(fake.key), false);
  });

  it('answers with several choices', async () => {
    const pieces = [0, 1].flatMap((index) => [
      { index, parts: [{ text: `a${index}` }] },
      { index, finish: 'STOP' },
    ]);
    const choices = await both({ pieces: [0, 2, 1, 3].map((at) => pieces[at] ?? {}) }, { n: 2 });
    assert.deepEqual(
      choices.map(({ message }) => message.content),
      ['a0', 'a1'],
    );
  });

  it('shows thoughts, and asks for them by effort', async () => {
    const pieces = [{ parts: [{ text: 'hm', thought: true }] }, { parts: [{ text: 'Yes' }], finish: 'STOP' }];
    const [choice] = await both({ pieces, thoughtTokens: 9 }, { reasoning_effort: 'medium' });
    assert.equal((choice?.message as { reasoning_content?: string } | undefined)?.reasoning_content, 'hm');
    assert.equal(choice?.message.content, 'Yes');
    assert.deepEqual(fake.lastBody.generationConfig?.thinkingConfig, { thinkingBudget: 8192, includeThoughts: true });
  });

  it('sees pictures', async () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    await client.chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
    });
    assert.deepEqual(fake.lastBody.contents[0]?.parts, [
      { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } },
    ]);
    const remote = client.chat.completions.create({
      model: MODEL,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }],
    });
    await assert.rejects(remote, (error: unknown) => {
      assert.ok(error instanceof BadRequestError);
      assert.deepEqual([error.code, error.param], ['remote_media_not_supported', 'messages[0].content[0]']);
      return true;
    });
  });

  it('answers by a JSON schema', async () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'integer' } },
      required: ['a'],
      additionalProperties: false,
    };
    fake.script({ pieces: [{ parts: [{ text: '{"a":1}' }], finish: 'STOP' }] });
    const answer = await client.chat.completions.parse({
      model: MODEL,
      messages: [USER],
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
    });
    assert.deepEqual(answer.choices[0]?.message.parsed, { a: 1 });
    const asked: unknown = fake.lastBody.generationConfig;
    assert.deepEqual(asked, {
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    });
    await client.chat.completions.create({
      model: 'gemini-2.0-flash',
      messages: [USER],
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { ...schema, $defs: {} } } },
    });
    const { generationConfig } = fake.lastBody;
    assert.deepEqual(generationConfig?.responseSchema, {
      type: 'object',
      properties: { a: { type: 'integer' } },
      required: ['a'],
    });
  });

  for (const stream of [false, true]) {
    const how = stream ? 'streamed' : 'collected';

    async function call(
      ask: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>,
    ): Promise<OpenAI.ChatCompletionMessage> {
      const body = { model: SIGNING, messages: [USER], tools: TOOLS, ...ask };
      if (!stream)
        return (await client.chat.completions.create(body)).choices[0]?.message as OpenAI.ChatCompletionMessage;
      return client.chat.completions.stream({ ...body, stream: true }).finalMessage();
    }

    function answers(message: OpenAI.ChatCompletionMessage): Message[] {
      const calls = message.tool_calls ?? [];
      assert.equal(calls.length, 2);
      // In the other order than they were asked.
      return [...calls].reverse().map(({ id }, at) => ({ role: 'tool', tool_call_id: id, content: `result ${at}` }));
    }

    async function continueWith(turn: Message, results: readonly Message[]): Promise<void> {
      const answer = await client.chat.completions.create({
        model: SIGNING,
        messages: [USER, turn, ...results],
        tools: TOOLS,
      });
      assert.equal(answer.choices[0]?.message.content, 'Hello!');
      assert.deepEqual(
        fake.lastBody.contents[2]?.parts.map(({ functionResponse }) => functionResponse?.name),
        ['add', 'now'],
      );
    }

    const signature = (): string | undefined => fake.lastBody.contents[1]?.parts[0]?.thoughtSignature;

    it(`calls tools in parallel and goes on, ${how}, whatever the client keeps of the call`, async () => {
      fake.script(TWO_CALLS);
      const message = await call({});
      const results = answers(message);
      await continueWith(message, results);
      assert.equal(signature(), 'c2lnbmF0dXJl');
      // Clients that rebuild the turn keep ids, names, arguments.
      const calls = (message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[]).map(
        ({ id, function: { name, arguments: text } }) => ({
          id,
          type: 'function' as const,
          function: { name, arguments: text },
        }),
      );
      await continueWith({ role: 'assistant', content: null, tool_calls: calls }, results);
      assert.equal(signature(), 'c2lnbmF0dXJl');
      // And some shorten ids: then it is remembered here.
      const short = (id: string): string => id.replace(/__thought__.*/, '');
      await continueWith(
        { role: 'assistant', content: null, tool_calls: calls.map((each) => ({ ...each, id: short(each.id) })) },
        results.map(
          (result) =>
            ({ ...result, tool_call_id: short((result as { tool_call_id: string }).tool_call_id) }) as Message,
        ),
      );
      assert.equal(signature(), 'c2lnbmF0dXJl');
      // A conversation from elsewhere has none.
      const foreign = calls.map((each, at) => ({ ...each, id: `foreign${at}` }));
      await continueWith(
        { role: 'assistant', content: null, tool_calls: foreign },
        [1, 0].map((at) => ({ role: 'tool', tool_call_id: `foreign${at}`, content: 'x' })),
      );
      assert.equal(signature(), 'skip_thought_signature_validator');
    });
  }

  it('streams calls to the same message as unstreamed ones', async () => {
    const [choice] = await both(TWO_CALLS, { model: SIGNING, tools: TOOLS });
    assert.equal(choice?.finish_reason, 'tool_calls');
    const calls = choice?.message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    assert.deepEqual(
      calls.map(({ function: called }) => [called.name, called.arguments]),
      [
        ['add', '{"a":1}'],
        ['now', '{}'],
      ],
    );
  });

  it('shows a blocked prompt as a refusal', async () => {
    const [choice] = await both({ blockReason: 'SAFETY' });
    assert.equal(choice?.message.refusal, 'Blocked: SAFETY');
    assert.equal(choice?.finish_reason, 'content_filter');
  });

  it('raises the errors of the SDK', async () => {
    const cases = [
      [googleError(400, 'INVALID_ARGUMENT', 'no'), BadRequestError, 'invalid_request'],
      [googleError(401, 'UNAUTHENTICATED', 'no'), AuthenticationError, 'invalid_api_key'],
      [quotaError('17s'), RateLimitError, 'rate_limit_exceeded'],
      [googleError(503, 'UNAVAILABLE', 'no'), InternalServerError, 'overloaded'],
    ] as const;
    for (const [error, type, code] of cases) {
      for (const stream of [false, true]) {
        fake.script({ error });
        await assert.rejects(
          async () => client.chat.completions.create({ model: MODEL, messages: [USER], stream }),
          (thrown: unknown) => {
            assert.ok(thrown instanceof type, String(thrown));
            assert.equal(thrown.code, code);
            if (code === 'rate_limit_exceeded') assert.equal(thrown.headers?.get('retry-after'), '17');
            return true;
          },
        );
      }
    }
    await assert.rejects(client.chat.completions.create({ model: 'gone', messages: [USER] }), NotFoundError);
  });

  it('names what was dropped', async () => {
    const { response } = await client.chat.completions
      .create({ model: MODEL, messages: [USER], min_p: 0.5 } as OpenAI.ChatCompletionCreateParamsNonStreaming)
      .withResponse();
    assert.equal(response.headers.get('x-smg-dropped-params'), 'min_p');
  });

  const LONG = Array.from({ length: 4 }, (_, at) => ({ parts: [{ text: `word${at} ` }] }));

  it('never takes a stream that was cut for a whole one', async () => {
    const { json } = googleError(500, 'INTERNAL', 'oops');
    for (const ending of ['cut', 'end', { errorInStream: json }] as const) {
      fake.script({ pieces: LONG, cutAfter: 2, ending });
      const stream = await client.chat.completions.create({ model: MODEL, messages: [USER], stream: true });
      let text = '';
      await assert.rejects(async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      }, APIError);
      assert.match(text, /^word0 word1 /);
    }
  });

  it('stops the worker when the client leaves', async () => {
    const { aborted } = fake.provider;
    fake.script({ pieces: LONG, cutAfter: 2, ending: 'hold' });
    const stream = await client.chat.completions.create({ model: MODEL, messages: [USER], stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content?.startsWith('word1') === true) break;
    await until(() => fake.provider.aborted === aborted + 1);
    await settled(gateway);
    assert.equal(fake.provider.inFlight, 0);
  });
});

/** A choice without what differs by nature: ids that were made up, and what only one of the two forms has. */
function comparable({ index, finish_reason, message }: Choice): object {
  const { content, refusal, tool_calls: calls } = message;
  const { reasoning_content: reasoning } = message as { reasoning_content?: string };
  const named = (calls as OpenAI.ChatCompletionMessageFunctionToolCall[] | undefined)?.map((call) => ({
    name: call.function.name,
    arguments: call.function.arguments,
  }));
  return { index, finish_reason, content: content ?? '', refusal: refusal ?? null, reasoning, calls: named ?? [] };
}
