import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { TokenUsage } from '../api/inference.js';
import { findUsage } from './usage-search.js';

/** What is found in `{"usage":…}`. */
function openAi(usage: unknown, space?: number): TokenUsage | undefined {
  return findUsage(Buffer.from(JSON.stringify({ id: 'x', usage }, null, space)), 'usage')?.toOpenAiUsage();
}

it('reads the spellings of OpenAI and SGLang', () => {
  const chat = {
    prompt_tokens: 10,
    completion_tokens: 3,
    total_tokens: 13,
    prompt_tokens_details: { cached_tokens: 8 },
    completion_tokens_details: { reasoning_tokens: 2 },
  };
  const expected = { promptTokens: 10, completionTokens: 3, cachedTokens: 8, reasoningTokens: 2 };
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
  for (const nothing of [undefined, null, 3, [], {}, { prompt_tokens: '4' }, { prompt_tokens: -1 }]) {
    assert.equal(openAi(nothing), undefined);
  }
});

it('takes whole numbers only, and only where they belong', () => {
  for (const value of [1.5, 1e21, -3, '7', null, true, [7], { value: 7 }, 1234567890123456]) {
    assert.equal(openAi({ prompt_tokens: value }), undefined, JSON.stringify(value));
  }
  assert.equal(openAi({ by_model: { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } } }), undefined);
  assert.equal(openAi({ note: '"prompt_tokens":5', choices: ['prompt_tokens', 5] }), undefined);
  assert.equal(openAi({ prompt_tokens_details: { deeper: { cached_tokens: 2 }, prompt_tokens: 4 } }), undefined);
});

it('counts the cached part of an Anthropic prompt in', () => {
  const anthropic = (text: string) => findUsage(Buffer.from(text), 'usage')?.toAnthropicUsage();
  assert.deepEqual(
    anthropic(
      '{"usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"output_tokens":7}}',
    ),
    { promptTokens: 160, completionTokens: 7, cachedTokens: 100, cacheWriteTokens: 50 },
  );
  assert.deepEqual(anthropic('{"usage":{"output_tokens":7}}'), { completionTokens: 7 });
});

it('finds the last whole usage object in a piece of an answer', () => {
  const find = (text: string, forward = false): number | undefined =>
    findUsage(Buffer.from(text), 'usage', forward)?.toOpenAiUsage()?.promptTokens;
  assert.equal(find('nt":"x"}}],"usage":{"a":{"b":"}\\"{"},"prompt_tokens":1},"z":null}'), 1);
  assert.equal(find('{"usage": {"prompt_tokens":1}} {"usage" : null} {"usage":{"prompt_tokens":'), 1);
  assert.equal(find('{"usage":{"prompt_tokens":1}} {"usage":{"prompt_tokens":2}}'), 2);
  assert.equal(find('{"usage":{"prompt_tokens":1}} {"usage":{"prompt_tokens":2}}', true), 1);
  assert.equal(find('{"content":"\\"usage\\":{\\"prompt_tokens\\":5}","usage":null}'), undefined);
  assert.equal(find('"usage":{"prompt_tokens":1'), undefined);
  assert.equal(find('"usage":{a}'), undefined);
  assert.equal(find(''), undefined);
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
      assert.equal(read?.promptTokens, count(value.prompt_tokens));
      assert.equal(read?.completionTokens, count(value.completion_tokens));
      assert.equal(read?.cachedTokens, count(input.cached_tokens) ?? count(value.cached_tokens));
      assert.equal(read?.reasoningTokens, count(output.reasoning_tokens) ?? count(value.reasoning_tokens));
    }),
  );
});
