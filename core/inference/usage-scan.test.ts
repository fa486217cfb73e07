import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { TokenUsage } from '../api/inference.js';
import { UsageCounts, type UsageDialect } from './usage-counts.js';
import { UsageScan } from './usage-scan.js';

/** What is read from these bytes, cut at these places. */
function scan(text: string, dialect: UsageDialect = 'openai', cuts: readonly number[] = []): TokenUsage | undefined {
  const bytes = Buffer.from(text);
  const usage = new UsageScan('usage');
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < places.length; i++) usage.push(bytes.subarray(places[i - 1], places[i]));
  return usage.counts.toUsage(dialect);
}

/** What is found in `{"usage":…}`. */
function openAi(usage: unknown, space?: number): TokenUsage | undefined {
  return scan(JSON.stringify({ id: 'x', usage }, null, space));
}

it('reads the spellings of OpenAI and SGLang', () => {
  const chat = {
    prompt_tokens: 10,
    completion_tokens: 3,
    total_tokens: 13,
    prompt_tokens_details: { cached_tokens: 8, audio_tokens: 4, cache_creation_tokens: 1 },
    completion_tokens_details: { reasoning_tokens: 2, audio_tokens: 1 },
  };
  const expected = {
    promptTokens: 10,
    completionTokens: 3,
    cachedTokens: 8,
    cacheWriteTokens: 1,
    reasoningTokens: 2,
    promptAudioTokens: 4,
    completionAudioTokens: 1,
  };
  assert.deepEqual(openAi(chat), expected);
  assert.deepEqual(openAi(chat, 2), expected);
  const responses = {
    input_tokens: 4,
    input_tokens_details: { cached_tokens: 1 },
    output_tokens: 2,
    output_tokens_details: null,
  };
  assert.deepEqual(openAi(responses), { promptTokens: 4, completionTokens: 2, cachedTokens: 1 });
  const sglang = { prompt_tokens: 6, completion_tokens: 1, cached_tokens: 4, id: 'x' };
  assert.deepEqual(openAi(sglang), { promptTokens: 6, completionTokens: 1, cachedTokens: 4 });
  const deepseek = { prompt_tokens: 6, completion_tokens: 1, prompt_cache_hit_tokens: 2, prompt_cache_miss_tokens: 4 };
  assert.deepEqual(openAi(deepseek), { promptTokens: 6, completionTokens: 1, cachedTokens: 2 });
  for (const nothing of [undefined, null, 3, [], {}, { prompt_tokens: '4' }, { prompt_tokens: -1 }]) {
    assert.equal(openAi(nothing), undefined);
  }
});

it('counts reasoning in where the total says that it stands beside the completion', () => {
  const usage = { prompt_tokens: 28, completion_tokens: 9, completion_tokens_details: { reasoning_tokens: 94 } };
  assert.equal(openAi({ ...usage, total_tokens: 131 })?.completionTokens, 103);
  assert.equal(openAi({ ...usage, completion_tokens: 103, total_tokens: 131 })?.completionTokens, 103);
  assert.equal(openAi(usage)?.completionTokens, 9);
});

it('takes whole numbers only, and only where they belong', () => {
  for (const value of [1.5, 1e21, -3, '7', null, true, [7], { value: 7 }, 1234567890123456]) {
    assert.equal(openAi({ prompt_tokens: value }), undefined, JSON.stringify(value));
  }
  assert.equal(openAi({ by_model: { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } } }), undefined);
  assert.equal(openAi({ note: '"prompt_tokens":5', choices: ['prompt_tokens', 5] }), undefined);
  assert.equal(openAi({ prompt_tokens_details: { deeper: { cached_tokens: 2 }, prompt_tokens: 4 } }), undefined);
  assert.equal(scan('{"usage":{"prompt_tokens":1 2}}'), undefined);
});

it('counts the cached part of an Anthropic prompt in, once, however often it is stated', () => {
  const start =
    '{"usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30},"output_tokens":1}}';
  const prompt = { promptTokens: 160, cachedTokens: 100, cacheWriteTokens: 50, cacheWriteHourTokens: 30 };
  assert.deepEqual(scan(start, 'anthropic'), { ...prompt, completionTokens: 1 });
  assert.deepEqual(scan(`${start} {"usage":{"output_tokens":7}}`, 'anthropic'), { ...prompt, completionTokens: 7 });
  const again = '{"usage":{"input_tokens":12,"output_tokens":7,"output_tokens_details":{"thinking_tokens":3}}}';
  assert.deepEqual(scan(`${start} ${again}`, 'anthropic'), {
    ...prompt,
    promptTokens: 162,
    completionTokens: 7,
    reasoningTokens: 3,
  });
  assert.deepEqual(scan('{"usage":{"output_tokens":7}}', 'anthropic'), { completionTokens: 7 });
});

it('takes the last statement of each count, and nothing that is text', () => {
  const prompt = (text: string): number | undefined => scan(text)?.promptTokens;
  assert.equal(prompt('nt":"x"}}],"usage":{"a":{"b":"}\\"{"},"prompt_tokens":1},"z":null}'), 1);
  assert.equal(prompt('{"usage": {"prompt_tokens":1}} {"usage" : null} {"usage":{"prompt_tokens":'), 1);
  assert.equal(prompt('{"usage":{"prompt_tokens":1}} {"usage":{"prompt_tokens":2}}'), 2);
  assert.equal(prompt('{"content":"\\"usage\\":{\\"prompt_tokens\\":5}","usage":null}'), undefined);
  assert.equal(prompt('"usage":{"prompt_tokens":1'), undefined);
  assert.equal(prompt('"usage":{a}'), undefined);
  assert.equal(prompt('"usage":"usage":{"prompt_tokens":3}'), 3);
  assert.equal(prompt(''), undefined);
});

it('reads the same wherever the bytes are cut', () => {
  const text =
    'data: {"us":1,"usage":null}\n\ndata: {"usage" : { "prompt_tokens" : 12 , "prompt_tokens_details":{"cached_tokens":5},"completion_tokens":3}}\n\ndata: {"usage":{"completion_tokens":40}}';
  const whole = scan(text);
  assert.deepEqual(whole, { promptTokens: 12, completionTokens: 40, cachedTokens: 5 });
  for (let cut = 0; cut <= text.length; cut++) assert.deepEqual(scan(text, 'openai', [cut]), whole, `cut at ${cut}`);
  fc.assert(fc.property(fc.array(fc.nat(500)), (cuts) => assert.deepEqual(scan(text, 'openai', cuts), whole)));
});

it('says the same as JSON.parse, whatever else is in the object', () => {
  const number = fc.oneof(fc.nat(), fc.double(), fc.constant(null), fc.string());
  const details = fc.record(
    { cached_tokens: number, reasoning_tokens: number, x: fc.jsonValue() },
    { requiredKeys: [] },
  );
  const usage = fc.record(
    {
      prompt_tokens: number,
      completion_tokens: number,
      cached_tokens: number,
      reasoning_tokens: number,
      prompt_tokens_details: fc.oneof(details, fc.constant(null)),
      completion_tokens_details: fc.oneof(details, fc.constant(null)),
      extra: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  // Goes by the JSON text, as the search does: `-0` is written `0`.
  const count = (value: unknown): number | undefined => {
    const text = typeof value === 'number' ? JSON.stringify(value) : '';
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  fc.assert(
    fc.property(usage, fc.constantFrom(0, 2), (value, space) => {
      // One key of each name, so that which of two details objects goes first does not matter.
      const input = value.prompt_tokens_details ?? {};
      const output = value.completion_tokens_details ?? {};
      delete input.reasoning_tokens;
      delete output.cached_tokens;
      const read = openAi(value, space);
      const parsed = new UsageCounts();
      parsed.read(JSON.parse(JSON.stringify(value)));
      assert.deepEqual(read, parsed.toUsage('openai'));
      assert.equal(read?.promptTokens, count(value.prompt_tokens));
      assert.equal(read?.completionTokens, count(value.completion_tokens));
      assert.equal(read?.cachedTokens, count(input.cached_tokens) ?? count(value.cached_tokens));
      assert.equal(read?.reasoningTokens, count(output.reasoning_tokens) ?? count(value.reasoning_tokens));
    }),
  );
});
