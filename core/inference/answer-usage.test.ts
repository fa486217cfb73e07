import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ClientApi } from '../api/client-api.js';
import type { Delta, TokenUsage } from '../api/inference.js';
import { AnswerUsage, type UsageEstimate } from './answer-usage.js';

const api = (type: string, errorDialect: 'openai' | 'anthropic' = 'openai'): ClientApi =>
  ({ type, errorDialect }) as ClientApi;
const MESSAGES = api('messages', 'anthropic');
const GUESS: UsageEstimate = { promptTokens: 25 };

function ofBytes(client: ClientApi, text: string, ended: boolean, estimate?: UsageEstimate): TokenUsage | undefined {
  const answer = new AnswerUsage(client, estimate);
  for (let at = 0; at < text.length; at += 7) answer.push(Buffer.from(text.slice(at, at + 7)));
  return answer.usage(ended);
}

const ROLE = 'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n';
const PIECE = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n';
const COUNTS = 'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n';

it('says only what was stated where nobody accounts', () => {
  assert.equal(ofBytes(api('chat'), ROLE + PIECE, false), undefined);
  assert.equal(ofBytes(api('chat'), ROLE + PIECE, true), undefined);
  assert.deepEqual(ofBytes(api('chat'), ROLE + PIECE + COUNTS, true), { promptTokens: 5, completionTokens: 2 });
});

it('counts the pieces of a stream without counts', () => {
  const guessed = { promptTokens: 25, completionTokens: 3, estimated: true };
  for (const ended of [true, false])
    assert.deepEqual(ofBytes(api('chat'), ROLE + PIECE.repeat(3), ended, GUESS), guessed);
  const completions = 'data: {"choices":[{"text":"x"}]}\n\n'.repeat(3);
  assert.deepEqual(ofBytes(api('completions'), completions, false, GUESS), guessed);
  const responses = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n';
  assert.deepEqual(ofBytes(api('responses'), responses.repeat(3), false, GUESS), guessed);
  assert.deepEqual(ofBytes(api('chat'), ROLE, false, { promptTokens: undefined }), {
    completionTokens: 0,
    estimated: true,
  });
});

it('takes what was stated before the cut, and guesses the rest', () => {
  const start = 'data: {"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}\n\n';
  const piece = 'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"x"}}\n\n';
  const cut = start + piece.repeat(4);
  const guessed = { promptTokens: 9, completionTokens: 4, estimated: true };
  assert.deepEqual(ofBytes(MESSAGES, cut, false, GUESS), guessed);
  assert.deepEqual(ofBytes(MESSAGES, cut, true, GUESS), guessed);
  assert.deepEqual(ofBytes(MESSAGES, start, false, GUESS), { promptTokens: 9, completionTokens: 1 });
  const whole = `${cut}data: {"type":"message_delta","usage":{"output_tokens":3}}\n\n`;
  assert.deepEqual(ofBytes(MESSAGES, whole, true, GUESS), { promptTokens: 9, completionTokens: 3 });
});

it('reads meta_info, whose counts come with every event', () => {
  const text = 'data: {"text":"a","meta_info":{"prompt_tokens":4,"completion_tokens":1}}\n\n'.repeat(2);
  assert.deepEqual(ofBytes(api('generate'), text, false, GUESS), { promptTokens: 4, completionTokens: 1 });
});

it('puts deltas together, and guesses by their text', () => {
  const deltas: readonly Delta[] = [
    { kind: 'usage', usage: { promptTokens: 7, completionTokens: 0, cachedTokens: 2 } },
    { kind: 'reasoning', choice: 0, text: 'x'.repeat(18) },
    { kind: 'content', choice: 0, text: 'y' },
    { kind: 'tool_call', choice: 0, index: 0, name: 'f', arguments: '{}' },
  ];
  const answer = new AnswerUsage(api('chat'), GUESS);
  for (const delta of deltas) answer.add(delta);
  assert.deepEqual(answer.usage(false), { promptTokens: 7, completionTokens: 6, cachedTokens: 2, estimated: true });
  answer.add({ kind: 'usage', usage: { completionTokens: 9 } });
  assert.deepEqual(answer.usage(true), { promptTokens: 7, completionTokens: 9, cachedTokens: 2 });
});
