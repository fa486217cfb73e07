import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { formatNanos, type TokenUsage } from '../../core/api/index.js';
import { ratesSchema } from './config.js';
import { TokenPrice } from './token-price.js';

function nanosOf(rates: unknown, usage: TokenUsage): number {
  return new TokenPrice('m', 'v', ratesSchema.parse(rates)).nanosOf(usage);
}

it('prices each class, and each token once', () => {
  const rates = {
    input: 1,
    cached_input: 0.1,
    cache_write: 1.25,
    cache_write_1h: 2,
    audio_input: 10,
    output: 5,
    reasoning: 6,
    audio_output: 20,
  };
  const usage: TokenUsage = {
    promptTokens: 1000,
    cachedTokens: 400,
    cacheWriteTokens: 300,
    cacheWriteHourTokens: 100,
    promptAudioTokens: 50,
    completionTokens: 200,
    reasoningTokens: 120,
    completionAudioTokens: 30,
  };
  // 250 input, 400 cached, 200 + 100 written, 50 audio; 50 output, 120 reasoning, 30 audio; millionths of a dollar.
  const expected = 250 + 40 + 250 + 200 + 500 + 250 + 720 + 600;
  assert.equal(nanosOf(rates, usage), expected * 1000);
});

it('takes the nearest class where one has no price', () => {
  const usage: TokenUsage = { promptTokens: 10, cachedTokens: 2, cacheWriteTokens: 3, cacheWriteHourTokens: 1 };
  assert.equal(nanosOf({ input: 1, output: 2 }, usage), 10_000);
  assert.equal(nanosOf({ input: 1, output: 2, cache_write: 2 }, usage), 13_000);
  assert.equal(nanosOf({ input: 1, output: 2 }, { completionTokens: 5, reasoningTokens: 4 }), 10_000);
  assert.equal(nanosOf({ input: 1, output: 2 }, {}), 0);
});

it('prices the whole request by the length of its prompt', () => {
  const above = [
    { input_tokens: 100, input: 2, output: 3 },
    { input_tokens: 1000, input: 4, output: 5 },
  ];
  const rates = { input: 1, output: 1, above };
  assert.equal(nanosOf(rates, { promptTokens: 100, completionTokens: 10 }), 110_000);
  assert.equal(nanosOf(rates, { promptTokens: 101, completionTokens: 10 }), 232_000);
  assert.equal(nanosOf(rates, { promptTokens: 1001, completionTokens: 10 }), 4_054_000);
});

it('is exact: a price with six decimals times any number of tokens, rounded once', () => {
  // Of 0.000001 and more: smaller ones are not written as decimals.
  const micros = fc.bigInt({ min: 1n, max: 999_999_999_999n });
  fc.assert(
    fc.property(micros, fc.nat(10_000_000), micros, fc.nat(1_000_000), (input, prompt, output, completion) => {
      const price = (value: bigint): number =>
        Number(`${value / 1_000_000n}.${String(value % 1_000_000n).padStart(6, '0')}`);
      const picos = input * BigInt(prompt) + output * BigInt(completion);
      const rates = { input: price(input), output: price(output) };
      const nanos = Number((picos + 500n) / 1000n);
      assert.equal(nanosOf(rates, { promptTokens: prompt, completionTokens: completion }), nanos);
    }),
  );
});

it('costs between the cheapest and the dearest class for the whole, whatever a worker says of the parts', () => {
  const count = fc.option(fc.nat(2000), { nil: undefined });
  const usage = fc.record({
    promptTokens: fc.nat(1000),
    completionTokens: fc.nat(1000),
    cachedTokens: count,
    cacheWriteTokens: count,
    cacheWriteHourTokens: count,
    promptAudioTokens: count,
    reasoningTokens: count,
    completionAudioTokens: count,
  });
  const rates = { input: 2, cached_input: 1, cache_write: 3, output: 3, reasoning: 2 };
  fc.assert(
    fc.property(usage, (value) => {
      const nanos = nanosOf(rates, value as TokenUsage);
      const tokens = value.promptTokens + value.completionTokens;
      assert.ok(nanos >= tokens * 1000 && nanos <= tokens * 3000);
    }),
  );
});

it('refuses prices that are no sum of whole millionths', () => {
  for (const input of [-1, 0.0000001, 1e-7, Number.NaN, 1_000_001, '1']) {
    assert.equal(ratesSchema.safeParse({ input, output: 1 }).success, false, String(input));
  }
  assert.equal(ratesSchema.safeParse({ input: 1 }).success, false);
});

it('writes amounts as decimals', () => {
  assert.equal(formatNanos(0), '0');
  assert.equal(formatNanos(1), '0.000000001');
  assert.equal(formatNanos(1_234_500), '0.0012345');
  assert.equal(formatNanos(12_000_000_000), '12');
  assert.equal(formatNanos(12_340_000_001), '12.340000001');
});
