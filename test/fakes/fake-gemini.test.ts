import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ApiError, type GenerateContentParameters, GoogleGenAI, Type } from '@google/genai';
import { FakeGemini } from './fake-gemini.js';
import { googleError } from './gemini-errors.js';

describe('the fake Gemini, asked by the @google/genai package', () => {
  let fake: FakeGemini;
  let client: GoogleGenAI;
  const model = 'gemini-2.5-flash';
  const contents = 'Hi';
  const declared = {
    functionDeclarations: [
      { name: 'add', parameters: { type: Type.OBJECT, properties: { a: { type: Type.NUMBER } }, required: ['a'] } },
    ],
  };

  before(async () => {
    fake = await FakeGemini.start({ plain: true });
    client = createClient(fake.key);
  });

  after(() => fake.close());

  function createClient(apiKey: string): GoogleGenAI {
    return new GoogleGenAI({ apiKey, httpOptions: { baseUrl: fake.provider.url } });
  }

  async function refused(
    parameters: GenerateContentParameters,
    using = client,
  ): Promise<{ status: number; message: string }> {
    let error: unknown;
    try {
      await using.models.generateContent(parameters);
    } catch (thrown) {
      error = thrown;
    }
    assert.ok(error instanceof ApiError, String(error));
    return {
      status: error.status,
      message: (JSON.parse(error.message) as { error: { message: string } }).error.message,
    };
  }

  it('answers', async () => {
    const answer = await client.models.generateContent({
      model,
      contents,
      config: {
        systemInstruction: 'Be brief',
        temperature: 1,
        maxOutputTokens: 10,
        stopSequences: ['END'],
        seed: 1,
        tools: [declared],
        thinkingConfig: { includeThoughts: true, thinkingBudget: 128 },
      },
    });
    assert.equal(answer.text, 'Hello!');
    assert.equal(answer.usageMetadata?.totalTokenCount, 17);
    assert.equal(answer.modelVersion, 'gemini-2.5-flash-001');
  });

  it('streams the same', async () => {
    const script = { pieces: [{ parts: [{ text: 'Hel' }] }, { parts: [{ text: 'lo' }], finish: 'STOP' }] };
    fake.script(script, script);
    const texts: string[] = [];
    for await (const chunk of await client.models.generateContentStream({ model, contents }))
      texts.push(chunk.text ?? '');
    assert.deepEqual(texts, ['Hel', 'lo']);
    assert.equal((await client.models.generateContent({ model, contents })).text, 'Hello');
  });

  it('calls functions in a chat, and wants signatures back that it gave', async () => {
    fake.script({
      pieces: [
        { parts: [{ functionCall: { name: 'add', args: { a: 1 } }, thoughtSignature: 'c2ln' }], finish: 'STOP' },
      ],
    });
    const chat = client.chats.create({ model: 'gemini-3-pro-preview', config: { tools: [declared] } });
    const called = await chat.sendMessage({ message: 'Add' });
    assert.deepEqual(called.functionCalls, [{ name: 'add', args: { a: 1 } }]);
    const done = await chat.sendMessage({ message: [{ functionResponse: { name: 'add', response: { result: 2 } } }] });
    assert.equal(done.text, 'Hello!');
    const history = chat.getHistory();
    delete history[1]?.parts?.[0]?.thoughtSignature;
    const { status, message } = await refused({ model: 'gemini-3-pro-preview', contents: history.slice(0, 3) });
    assert.equal(status, 400);
    assert.match(message, /^Function call is missing a thought_signature/);
  });

  it('refuses what Google refuses', async () => {
    assert.equal(
      (await refused({ model, contents }, createClient('wrong'))).message,
      'API key not valid. Please pass a valid API key.',
    );
    assert.equal((await refused({ model: 'gone', contents })).status, 404);
    const extra = await refused({ model, contents, config: { httpOptions: { extraBody: { nonsense: 1 } } } });
    assert.equal(extra.message, 'Invalid JSON payload received. Unknown name "nonsense": Cannot find field.');
    const result = { functionResponse: { name: 'add', response: {} } };
    const counted = await refused({
      model,
      contents: [
        { role: 'user', parts: [result] },
        { role: 'user', parts: [result] },
      ],
    });
    assert.match(counted.message, /number of function response parts|in the order/);
    assert.match(
      (await refused({ model, contents: [{ role: 'tool', parts: [{ text: 'x' }] }] })).message,
      /valid role/,
    );
    const both = await refused({
      model,
      contents,
      config: { tools: [declared], responseMimeType: 'application/json' },
    });
    assert.match(both.message, /^Function calling with a response mime type/);
    const wrongType = await refused({ model, contents, config: { temperature: 'hot' as unknown as number } });
    assert.equal(wrongType.message, `Invalid value at 'generation_config.temperature' (number), "hot"`);
  });

  it('lists its models', async () => {
    const names: (string | undefined)[] = [];
    for await (const { name } of await client.models.list()) names.push(name);
    assert.deepEqual(
      names,
      fake.models.map((each) => `models/${each}`),
    );
  });

  it('fails as it is told to', async () => {
    fake.script({ error: googleError(503, 'UNAVAILABLE', 'The model is overloaded.') });
    assert.deepEqual(await refused({ model, contents }), { status: 503, message: 'The model is overloaded.' });
    const pieces = [{ parts: [{ text: 'a' }] }, { parts: [{ text: 'b' }], finish: 'STOP' }];
    const { json } = googleError(500, 'INTERNAL', 'oops');
    fake.script({ pieces, cutAfter: 1, ending: { errorInStream: json } });
    await assert.rejects(async () => {
      for await (const _ of await client.models.generateContentStream({ model, contents }));
    }, ApiError);
    fake.script({ pieces, cutAfter: 1 });
    await assert.rejects(async () => {
      for await (const _ of await client.models.generateContentStream({ model, contents }));
    }, /terminated/);
  });
});
