import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEQUENCE_DIGITS, writeSequence } from './answers.js';
import { createChatRequest, findPromptTail } from './chat-request.js';
import { type ParsedRequest, RequestAssembler } from './request-assembler.js';

const HOST = 'host: a';

function assemble(text: string, cuts: readonly number[] = []): ParsedRequest | string | undefined {
  const bytes = Buffer.from(text, 'latin1');
  const assembler = new RequestAssembler();
  let at = 0;
  let outcome: ParsedRequest | string | undefined;
  for (const cut of [...cuts.filter((point) => point < bytes.length).sort((a, b) => a - b), bytes.length]) {
    if (cut === at) continue;
    outcome = assembler.push(bytes.subarray(at, cut));
    at = cut;
  }
  return outcome;
}

function bodyOf(outcome: ParsedRequest | string | undefined): string {
  assert.ok(typeof outcome === 'object', String(outcome));
  return outcome.body.toString('latin1');
}

test('a request is the same however it was cut', () => {
  const texts = fc.constantFrom(
    `POST /x HTTP/1.1\r\n${HOST}\r\nContent-Length: 11\r\n\r\nhello world`,
    `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n`,
  );
  const property = fc.property(texts, fc.array(fc.nat(120), { maxLength: 12 }), (text, cuts) => {
    assert.equal(bodyOf(assemble(text, cuts)), 'hello world');
  });
  fc.assert(property, { numRuns: 200 });
});

test('two requests one after the other on one connection', () => {
  const assembler = new RequestAssembler();
  const text = Buffer.from(`POST /x HTTP/1.1\r\n${HOST}\r\ncontent-length: 2\r\n\r\nok`);
  assert.equal(bodyOf(assembler.push(text)), 'ok');
  assert.equal(bodyOf(assembler.push(text)), 'ok');
});

test('what a gateway must not send is refused', () => {
  const cases: readonly [string, RegExp][] = [
    [`POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n`, /0 host/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\n${HOST}\r\ncontent-length: 0\r\n\r\n`, /2 host/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\n\r\n`, /0 body lengths/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n`, /2 body lengths/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n`, /2 body lengths/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\ncontent-length: -1\r\n\r\n`, /content-length/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\ncontent-length: 1\r\n\r\nab`, /after the request/],
    [`POST http://a/x HTTP/1.1\r\n${HOST}\r\ncontent-length: 0\r\n\r\n`, /request line/],
    [`POST /x HTTP/1.1\r\n${HOST}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`, /chunk size/],
  ];
  for (const [text, reason] of cases) {
    const outcome = assemble(text);
    assert.equal(typeof outcome, 'string', text);
    assert.match(outcome as string, reason);
  }
});

test('chat requests have the asked size and keep their mark when the JSON is written anew', () => {
  for (const bodyBytes of [512, 1024, 16 * 1024, 128 * 1024]) {
    const { body, sequenceOffset } = createChatRequest(bodyBytes, 'burst');
    assert.equal(body.length, bodyBytes);
    writeSequence(body, sequenceOffset, 1234);
    const { messages, ...rest } = JSON.parse(body.toString()) as Record<string, unknown>;
    const rewritten = Buffer.from(JSON.stringify({ messages, ...rest }));
    for (const bytes of [body, rewritten]) {
      const tail = findPromptTail(bytes);
      assert.equal(tail?.kind, 'burst');
      const digits = bytes.toString('latin1', tail?.sequenceOffset, (tail?.sequenceOffset ?? 0) + SEQUENCE_DIGITS);
      assert.equal(digits, '00001234');
    }
  }
  assert.equal(findPromptTail(Buffer.from('{"messages":[{"content":"hello"}]}')), undefined);
});
