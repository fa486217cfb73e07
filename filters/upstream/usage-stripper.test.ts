import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { JsonScanner } from '../../core/inference/json-scan.js';
import { UsageStripper } from './usage-stripper.js';

const SCANNER = new JsonScanner();

function stripped(text: string, cuts: readonly number[] = []): string {
  const bytes = Buffer.from(text);
  const stripper = new UsageStripper(SCANNER);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const out: Buffer[] = [];
  for (let i = 1; i < places.length; i++) {
    const passed = stripper.push(bytes.subarray(places[i - 1], places[i]));
    if (passed !== undefined) out.push(Buffer.from(passed));
  }
  const rest = stripper.finish();
  if (rest !== undefined) out.push(rest);
  return Buffer.concat(out).toString('utf8');
}

const event = (json: string): string => `data: ${json}\n\n`;

it('takes out the chunk of counts and the empty field of the others', () => {
  const words = event('{"id":"a","choices":[{"delta":{"content":"say \\"usage\\":null"}}],"usage":null,"x":1}');
  const finish = event('{"id":"a", "usage": null, "choices":[{"delta":{},"finish_reason":"stop"}]}');
  const counts = event('{"id":"a","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}');
  const done = 'data: [DONE]\n\n';
  assert.equal(
    stripped(`: hello\n\n${words}${finish}${counts}${done}`),
    `: hello\n\n${event('{"id":"a","choices":[{"delta":{"content":"say \\"usage\\":null"}}],"x":1}')}${event(
      '{"id":"a", "choices":[{"delta":{},"finish_reason":"stop"}]}',
    )}${done}`,
  );
});

it('takes counts out of a chunk that says more, and leaves what is not a field of the chunk', () => {
  const last = '{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"by":{"usage":1}}}';
  assert.equal(stripped(event(last)), event('{"choices":[{"delta":{},"finish_reason":"stop"}]}'));
  const nested = event('{"x_groq":{"usage":{"prompt_tokens":5}},"choices":[]}');
  assert.equal(stripped(nested), nested);
  for (const odd of ['data: "usage"\n\n', 'data: {"usage":\n\n', 'event: "usage"\n\n', 'data: {"usage":1} "x"}\n\n']) {
    assert.equal(stripped(odd), odd);
  }
  assert.equal(stripped(event('{"usage":null}')), event('{}'));
});

it('passes an end without a blank line', () => {
  assert.equal(stripped('data: {"usage":null'), 'data: {"usage":null');
  assert.equal(stripped('data: {"usage":null}\r\n\r'), 'data: {}\r\n\r');
});

it('passes the same wherever the stream is cut, and what holds no counts byte for byte', () => {
  const chunk = fc.oneof(
    fc.record({ choices: fc.constant([{ delta: { content: 'é' } }]), usage: fc.constant(null) }),
    fc.record({ choices: fc.constant([]), usage: fc.constant({ prompt_tokens: 1 }) }),
    fc.record({ choices: fc.constant([{ index: 0 }]), x: fc.jsonValue() }),
  );
  const lineEnd = fc.constantFrom('\n', '\r\n');
  fc.assert(
    fc.property(fc.array(chunk), lineEnd, fc.array(fc.nat()), (chunks, end, cuts) => {
      const frame = (value: object): string => `data: ${JSON.stringify(value)}${end}${end}`;
      const text = chunks.map(frame).join('');
      const expected = chunks
        .filter((each) => each.choices.length > 0)
        .map((each) => {
          if (!('usage' in each)) return frame(each);
          const { usage: _usage, ...rest } = each;
          return frame(rest);
        })
        .join('');
      assert.equal(stripped(text, cuts), expected);
    }),
  );
});
