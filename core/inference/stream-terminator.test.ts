import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StreamTerminator } from '../api/client-api.js';
import { TerminatorWatch } from './stream-terminator.js';

function seen(kind: StreamTerminator, text: string, size = text.length): boolean {
  const watch = new TerminatorWatch(kind);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) watch.push(bytes.subarray(at, at + size));
  return watch.seen;
}

const chunk = `data: {"choices":[{"delta":{"content":"${'x'.repeat(90)}"}}]}\n\n`;
const completed = `event: response.completed\ndata: {"type":"response.completed","response":{"output":"${'y'.repeat(300)}"}}\n\n`;

/** Kind, stream, whether it is complete. */
const CASES: readonly (readonly [StreamTerminator, string, boolean])[] = [
  ['done', `${chunk}data: [DONE]\n\n`, true],
  ['done', `${chunk}data: [DONE]\r\n\r\n`, true],
  ['done', `${chunk}data:[DONE]\n\n: bye\n\n`, true],
  ['done', 'data: [DONE]\n\n', true],
  ['done', `${chunk}data: [DONE]`, true],
  ['done', chunk, false],
  ['done', '', false],
  ['done', `${chunk}data: [DON`, false],
  ['done', `data: {"content":"data: [DONE]"}\n\n`, false],
  ['done', `data: {"content":"${'z'.repeat(80)}data: [DONE]\\n\\n"}\n\n`, false],
  ['done', `${chunk}data: [DONE]\n\n${chunk}`, false],
  ['message_stop', `event: message_delta\ndata: {}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n`, true],
  ['message_stop', `event:message_stop\r\ndata: {}\r\n\r\n`, true],
  ['message_stop', `event: message_stop\rdata: {}\r\r`, true],
  ['message_stop', `event: message_stop\r\ndata: {}\r\n`, false],
  ['message_stop', `event: message_stop\ndata: {"type":"mess`, false],
  ['message_stop', `event: message_stopped\ndata: {}\n\n`, false],
  ['message_stop', `data: {"text":"event: message_stop"}\n\n`, false],
  ['message_stop', `event: error\ndata: {"type":"error"}\n\n`, true],
  ['response_terminal', completed, true],
  ['response_terminal', completed.slice(0, -20), false],
  ['response_terminal', `event: response.failed\ndata: {}\n\n`, true],
  ['response_terminal', `event: response.incomplete\ndata: {}\n\n`, true],
  ['response_terminal', `event: response.output_text.delta\ndata: {"delta":"response.completed"}\n\n`, false],
  ['eof', '', true],
];

describe('TerminatorWatch', () => {
  for (const [kind, text, expected] of CASES) {
    it(`${kind}: ${expected ? 'complete' : 'cut'}: ${JSON.stringify(text.slice(-48))}`, () => {
      for (const size of [text.length || 1, 1, 2, 3, 7, 64, 65])
        assert.equal(seen(kind, text, size), expected, `${size}`);
    });
  }

  it('does not depend on how the stream is cut', () => {
    const piece = fc.constantFrom(
      chunk,
      completed,
      'data: [DONE]',
      'event: message_stop',
      '\n',
      '\r',
      '\r\n',
      'e',
      'x',
    );
    const kinds = fc.constantFrom<StreamTerminator>('done', 'message_stop', 'response_terminal');
    fc.assert(
      fc.property(kinds, fc.array(piece, { maxLength: 8 }), fc.integer({ min: 1, max: 80 }), (kind, pieces, size) => {
        const text = pieces.join('');
        assert.equal(seen(kind, text, size), seen(kind, text));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the asked number of last bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 300 }), { maxLength: 12 }),
        fc.integer({ min: 64, max: 200 }),
        (parts, keep) => {
          const watch = new TerminatorWatch('eof', keep);
          for (const part of parts) watch.push(Buffer.from(part));
          const all = Buffer.from(parts.join(''));
          assert.deepEqual(Buffer.from(watch.tail()), all.subarray(Math.max(0, all.length - keep)));
        },
      ),
    );
  });
});
