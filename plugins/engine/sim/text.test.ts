import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type OutputRequest, planOutput } from './output-plan.js';
import { pieceId, splitPieces, tokenize, wordPiece } from './text.js';

const REQUEST: OutputRequest = {
  source: { mode: 'words', reply: '', minTokens: 16, maxTokens: 128 },
  seed: 42,
  lastUserText: '',
  maxTokens: undefined,
  ignoreEos: false,
  exactTokens: undefined,
  stop: [],
  toolCalls: [],
};

const pieceText = fc
  .array(fc.constantFrom(' ', '\n', 'a', 'bcd', 'word', '🚀', 'é', '\t'), { maxLength: 60 })
  .map((parts) => parts.join(''));

test('pieces joined again are the text, and none splits a code point', () => {
  fc.assert(
    fc.property(pieceText, (text) => {
      const pieces = splitPieces(text);
      assert.equal(pieces.join(''), text);
      for (const piece of pieces) assert.ok(piece.length > 0 && Buffer.from(piece).toString() === piece);
      assert.deepEqual([...tokenize(text)], pieces.length === 0 ? [0] : pieces.map((piece) => pieceId(piece)));
    }),
  );
});

test('English comes out at three to six characters a token', () => {
  const text = 'It was a bright cold day in April, and the clocks were striking thirteen; Winston Smith slipped in.';
  const ratio = text.length / splitPieces(text).length;
  assert.ok(ratio > 3 && ratio < 6, String(ratio));
});

test('made-up text is cut into the very pieces it was made of, so a next turn finds it cached', () => {
  const pieces = Array.from({ length: 500 }, (_, index) => wordPiece(7, index));
  assert.deepEqual(splitPieces(pieces.join('')), pieces);
});

test('the same request has the same answer, another seed another one', () => {
  const first = planOutput(REQUEST);
  assert.equal(first.textBetween(0, first.tokens), planOutput(REQUEST).textBetween(0, first.tokens));
  assert.notEqual(first.textBetween(0, 8), planOutput({ ...REQUEST, seed: 43 }).textBetween(0, 8));
});

test('natural lengths stay in their range and differ', () => {
  const lengths = Array.from({ length: 200 }, (_, seed) => planOutput({ ...REQUEST, seed }).tokens);
  assert.ok(Math.min(...lengths) >= 16 && Math.max(...lengths) <= 128);
  assert.ok(new Set(lengths).size > 30);
});

test('max tokens cuts with `length`, the natural end is `stop`, and ignore_eos goes to the limit', () => {
  const cut = planOutput({ ...REQUEST, maxTokens: 5 });
  assert.deepEqual([cut.tokens, cut.finish], [5, 'length']);
  const natural = planOutput({ ...REQUEST, maxTokens: 10_000 });
  assert.equal(natural.finish, 'stop');
  const forced = planOutput({ ...REQUEST, maxTokens: 10_000, ignoreEos: true });
  assert.deepEqual([forced.tokens, forced.finish], [10_000, 'length']);
});

test('an exact length is kept', () => {
  const plan = planOutput({ ...REQUEST, exactTokens: 1_000 });
  assert.deepEqual([plan.tokens, plan.finish], [1_000, 'stop']);
});

test('a stop string ends the text before it, wherever its pieces lie', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.integer({ min: 1, max: 12 }), (at, length) => {
      const whole = planOutput({ ...REQUEST, exactTokens: 100 }).textBetween(0, 100);
      const stop = whole.slice(at, at + length);
      const plan = planOutput({ ...REQUEST, exactTokens: 100, stop: [stop, 'never in it'] });
      assert.equal(plan.textBetween(0, plan.tokens), whole.slice(0, whole.indexOf(stop)));
      assert.deepEqual([plan.finish, plan.matchedStop], ['stop', stop]);
    }),
    { numRuns: 60 },
  );
});

test('echo and fixed texts come back as they are', () => {
  const echo = planOutput({ ...REQUEST, source: { ...REQUEST.source, mode: 'echo' }, lastUserText: 'Say  this\n🚀!' });
  assert.equal(echo.textBetween(0, echo.tokens), 'Say  this\n🚀!');
  assert.equal(echo.finish, 'stop');
  const fixed = planOutput({
    ...REQUEST,
    source: { ...REQUEST.source, mode: 'fixed', reply: 'one two' },
    maxTokens: 1,
  });
  assert.deepEqual([fixed.textBetween(0, 1), fixed.finish], ['one', 'length']);
});

test('arguments of tool calls are the pieces between their bounds', () => {
  const calls = [
    { name: 'a', arguments: '{"city":"Paris"}' },
    { name: 'b', arguments: '{}' },
  ];
  const plan = planOutput({ ...REQUEST, toolCalls: calls });
  assert.equal(plan.finish, 'tool_calls');
  for (const call of plan.toolCalls) {
    assert.equal(plan.textBetween(call.firstPiece, call.endPiece), call.arguments);
  }
});
