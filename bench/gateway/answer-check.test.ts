import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CheckMode, createAnswerCheck } from './answer-check.js';
import { type AnswerKind, CHAT_ANSWER, STREAM_ANSWER, STREAM_EVENTS, writeSequence } from './answers.js';

const modes = fc.constantFrom<CheckMode>('exact', 'meaning');
const kinds = fc.constantFrom<AnswerKind>('chat', 'burst', 'paced');

function createAnswer(kind: AnswerKind, sequence: number): Buffer {
  const template = kind === 'chat' ? CHAT_ANSWER : STREAM_ANSWER;
  const bytes = Buffer.from(template.bytes);
  writeSequence(bytes, template.sequenceOffset, sequence);
  return bytes;
}

test('a right answer passes however it was cut, and its events are counted', () => {
  const cuts = fc.array(fc.nat(15_000), { maxLength: 20 });
  const property = fc.property(modes, kinds, fc.nat(99_999_999), cuts, (mode, kind, sequence, cutPoints) => {
    const bytes = createAnswer(kind, sequence);
    const check = createAnswerCheck(mode, kind);
    check.begin(sequence);
    let at = 0;
    for (const cut of [...cutPoints.filter((point) => point < bytes.length).sort((a, b) => a - b), bytes.length]) {
      check.accept(bytes, at, cut);
      at = cut;
    }
    assert.equal(check.finish(), undefined);
    assert.equal(check.events, kind === 'chat' ? 0 : STREAM_EVENTS + 1);
  });
  fc.assert(property, { numRuns: 100 });
});

test('an answer to another request is wrong', () => {
  const property = fc.property(modes, kinds, (mode, kind) => {
    const check = createAnswerCheck(mode, kind);
    check.begin(41);
    const bytes = createAnswer(kind, 42);
    check.accept(bytes, 0, bytes.length);
    assert.notEqual(check.finish(), undefined);
  });
  fc.assert(property, { numRuns: 20 });
});

test('an answer that is cut short is wrong', () => {
  const property = fc.property(modes, kinds, fc.integer({ min: 3, max: 400 }), (mode, kind, missing) => {
    const check = createAnswerCheck(mode, kind);
    check.begin(7);
    const bytes = createAnswer(kind, 7);
    check.accept(bytes, 0, bytes.length - missing);
    assert.notEqual(check.finish(), undefined);
  });
  fc.assert(property, { numRuns: 60 });
});

test('exact: one changed byte is enough', () => {
  const property = fc.property(kinds, fc.nat(10_000), (kind, place) => {
    const check = createAnswerCheck('exact', kind);
    check.begin(7);
    const bytes = createAnswer(kind, 7);
    const offset = place % bytes.length;
    bytes[offset] = (bytes[offset] as number) ^ 1;
    check.accept(bytes, 0, bytes.length);
    assert.match(check.finish() ?? '', /differs/);
  });
  fc.assert(property, { numRuns: 60 });
});

test('exact: bytes after the answer are wrong', () => {
  const check = createAnswerCheck('exact', 'chat');
  check.begin(7);
  const bytes = Buffer.concat([createAnswer('chat', 7), Buffer.from(' ')]);
  check.accept(bytes, 0, bytes.length);
  assert.equal(check.finish(), 'answer too long');
});
