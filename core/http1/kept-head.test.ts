import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { lookUpFieldName } from './field-name.js';
import { type HeadKind, HeadParser } from './head-parser.js';
import { KeptHead } from './kept-head.js';
import { Http1ProtocolError } from './protocol-error.js';

/** Everything that a head said, or the error that it was refused with. */
function read(parser: HeadParser, bytes: Buffer, cut: number): unknown {
  let consumed = 0;
  try {
    consumed = parser.parse(bytes.subarray(0, cut));
    if (!parser.complete) consumed += parser.parse(bytes.subarray(cut));
  } catch (error) {
    assert.ok(error instanceof Http1ProtocolError, String(error));
    return error.code;
  }
  const { complete, method, target, path, authority, status, reason, minorVersion } = parser;
  const { contentLength, chunked, keepAlive, expectContinue, upgrade } = parser;
  const facts = { complete, method, target, path, authority, status, reason, minorVersion };
  return { ...facts, consumed, flat: [...parser.flat], contentLength, chunked, keepAlive, expectContinue, upgrade };
}

const startLines: Record<'request' | 'response', string[]> = {
  request: ['POST /v1/chat HTTP/1.1', 'POST /v1/chat HTTP/1.0', 'GET http://h/x?y HTTP/1.1', 'POST /v1/chat  HTTP/1.1'],
  response: ['HTTP/1.1 200 OK', 'HTTP/1.1 204 No Content', 'HTTP/1.0 200 OK', 'HTTP/1.1 200'],
};
const fieldLines = [
  ...['Host: h', 'host: h', 'Host: other', 'Content-Length: 5', 'Content-Length: 50', 'content-length:\t5'],
  ...[
    'Transfer-Encoding: chunked',
    'Connection: close',
    'Connection: keep-alive',
    'Expect: 100-continue',
    'Upgrade: x',
  ],
  ...['X-A: 1', 'X-A: 12', 'X-A : 1', 'X-A: 1\r', 'X-A:', ' folded', 'X-A: \0', 'nonsense', 'Date: today'],
  `X-Long: ${'x'.repeat(300)}`,
];

describe('HeadParser over several heads', () => {
  for (const kind of ['request', 'response'] as const) {
    it(`reads each ${kind} as if it were the first`, () => {
      const head = fc.record({
        start: fc.constantFrom(...startLines[kind]),
        fields: fc.array(fc.constantFrom(...fieldLines), { maxLength: 5 }),
        cut: fc.nat(120),
      });
      fc.assert(
        fc.property(fc.array(head, { minLength: 2, maxLength: 6 }), (heads) => {
          const parser = new HeadParser(kind);
          for (const { start, fields, cut } of heads) {
            const lines =
              kind === 'request' && start.endsWith('1.1') ? [start, 'Host: h', ...fields] : [start, ...fields];
            const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
            const seen = read(parser, bytes, Math.min(cut, bytes.length));
            assert.deepEqual(seen, read(new HeadParser(kind satisfies HeadKind), bytes, bytes.length));
            if (!parser.complete) return;
            parser.reset();
          }
        }),
        { numRuns: 2000 },
      );
    });
  }

  it('counts repeated lines against the limits', () => {
    const limits = { maxHeadBytes: 100, maxStartLineBytes: 50, maxFields: 2 };
    const start = 'GET / HTTP/1.1\r\nhost: h\r\n';
    const long = `x-a: ${'a'.repeat(40)}\r\n`;
    const second = (fields: string, more: string): void => {
      const parser = new HeadParser('request', limits);
      parser.parse(Buffer.from(`${start}${fields}\r\n`));
      assert.equal(parser.complete, true);
      parser.reset();
      parser.parse(Buffer.from(`${start}${fields}${more}\r\n`));
    };
    assert.throws(() => second('x-a: 1\r\n', 'x-b: 2\r\n'), { code: 'too_many_fields' });
    assert.throws(() => second(long, long), { code: 'head_too_large' });
  });
});

describe('KeptHead', () => {
  const field = lookUpFieldName('x-a');

  it('replaces a line once it has missed twice', () => {
    const kept = new KeptHead();
    for (const value of ['1', '2']) kept.keepField(0, `x-a: ${value}\r\n`, field, value);
    assert.equal(kept.fieldLines[0]?.value, '1');
    kept.keepField(0, 'x-a: 3\r\n', field, '3');
    assert.equal(kept.fieldLines[0]?.value, '3');
  });

  it('is bounded, and leaves lengths out', () => {
    const kept = new KeptHead();
    for (let index = 0; index < 100; index++) kept.keepField(index, `x-a: ${index}\r\n`, field, String(index));
    assert.equal(kept.fieldLines.length, 16);
    const other = new KeptHead();
    other.keepField(0, `x-a: ${'1'.repeat(300)}\r\n`, field, '1'.repeat(300));
    other.keepField(0, 'content-length: 5\r\n', lookUpFieldName('content-length'), '5');
    assert.equal(other.fieldLines.length, 0);
    other.keepField(1, 'x-a: 1\r\n', field, '1');
    assert.deepEqual([other.fieldLines[0], other.fieldLines[1]?.value], [undefined, '1']);
  });
});
