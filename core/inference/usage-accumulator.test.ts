import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UsageAccumulator, usageFromAnthropic, usageFromOpenAi } from './usage-accumulator.js';
import { findUsageObject } from './usage-search.js';

it('merges per field, the last value wins', () => {
  const usage = new UsageAccumulator();
  assert.equal(usage.usage, undefined);
  usage.add({ promptTokens: 5, completionTokens: 1 });
  usage.add({ completionTokens: 9, cachedTokens: 0 });
  assert.deepEqual(usage.usage, { promptTokens: 5, completionTokens: 9, cachedTokens: 0 });
});

it('reads the spellings of OpenAI and SGLang', () => {
  const chat = {
    prompt_tokens: 10,
    completion_tokens: 3,
    total_tokens: 13,
    prompt_tokens_details: { cached_tokens: 8 },
    completion_tokens_details: { reasoning_tokens: 2 },
  };
  assert.deepEqual(usageFromOpenAi(chat), {
    promptTokens: 10,
    completionTokens: 3,
    cachedTokens: 8,
    reasoningTokens: 2,
  });
  const responses = {
    input_tokens: 4,
    input_tokens_details: { cached_tokens: 1 },
    output_tokens: 2,
    output_tokens_details: null,
  };
  assert.deepEqual(usageFromOpenAi(responses), { promptTokens: 4, completionTokens: 2, cachedTokens: 1 });
  assert.deepEqual(usageFromOpenAi({ prompt_tokens: 6, completion_tokens: 1, cached_tokens: 4, id: 'x' }), {
    promptTokens: 6,
    completionTokens: 1,
    cachedTokens: 4,
  });
  for (const nothing of [undefined, null, 3, [], {}, { prompt_tokens: '4' }, { prompt_tokens: -1 }]) {
    assert.equal(usageFromOpenAi(nothing), undefined);
  }
});

it('counts the cached part of an Anthropic prompt in', () => {
  const usage = { input_tokens: 10, cache_read_input_tokens: 100, cache_creation_input_tokens: 50, output_tokens: 7 };
  assert.deepEqual(usageFromAnthropic(usage), {
    promptTokens: 160,
    completionTokens: 7,
    cachedTokens: 100,
    cacheWriteTokens: 50,
  });
  assert.deepEqual(usageFromAnthropic({ output_tokens: 7 }), { completionTokens: 7 });
});

it('finds the last whole usage object in a piece of an answer', () => {
  const find = (text: string, forward = false): unknown => findUsageObject(Buffer.from(text), 'usage', forward);
  assert.deepEqual(find('nt":"x"}}],"usage":{"a":{"b":"}\\"{"}},"z":null}'), { a: { b: '}"{' } });
  assert.deepEqual(find('{"usage": {"a":1}} {"usage" : null} {"usage":{"a":'), { a: 1 });
  assert.deepEqual(find('{"usage":{"a":1}} {"usage":{"a":2}}', true), { a: 1 });
  assert.deepEqual(find('{"content":"\\"usage\\":{\\"a\\":5}","usage":null}'), undefined);
  assert.equal(find('"usage":{"a":1'), undefined);
  assert.equal(find('"usage":{a}'), undefined);
  assert.equal(find(''), undefined);
});
