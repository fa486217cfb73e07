import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../api/errors.js';
import { encodeSseEvent, type SseEventFrame, SseSplitter } from './sse-codec.js';

interface Split {
  raws: string[];
  rest: string;
}

function split(chunks: readonly Buffer[], finish = false): Split {
  const splitter = new SseSplitter();
  const raws: string[] = [];
  const onEvent = (event: SseEventFrame): void => {
    raws.push(event.raw.toString('latin1'));
  };
  for (const chunk of chunks) splitter.push(chunk, onEvent);
  if (finish) splitter.finish(onEvent);
  return { raws, rest: splitter.rest().toString('latin1') };
}

function only(text: string): SseEventFrame {
  const events: SseEventFrame[] = [];
  const splitter = new SseSplitter();
  splitter.push(Buffer.from(text, 'utf8'), (event) => events.push(event));
  splitter.finish((event) => events.push(event));
  assert.equal(events.length, 1, JSON.stringify(text));
  return events[0] as SseEventFrame;
}

/** A reference that looks at the whole text at once: the payloads by the rules of the HTML standard. */
function payloads(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/);
  lines.pop();
  const found: string[] = [];
  let data: string[] = [];
  for (const line of lines) {
    if (line === '') {
      if (data.length > 0) found.push(data.join('\n'));
      data = [];
    } else if (line === 'data') data.push('');
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
  }
  return found;
}

const line = fc.oneof(
  fc.constantFrom(
    'data: {"a":1}',
    'data:x',
    'data',
    'data: é€😀',
    'event: ping',
    ': note',
    'id: 7',
    'database: no',
    ' x',
  ),
  fc.string({ maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, '')),
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n'), fc.constantFrom('', '\n', '\r', '\r\n')), {
    maxLength: 12,
  })
  .map((parts) => parts.map((part) => part.join('')).join(''));

describe('SseSplitter', () => {
  it('gives the same frames for every cut, and gives every byte back', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(200), { maxLength: 6 }), (text, at) => {
        const bytes = Buffer.from(text, 'utf8');
        const cuts = [0, ...at.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = cuts.slice(1).map((cut, index) => bytes.subarray(cuts[index], cut));
        const whole = split([bytes]);
        assert.deepEqual(split(chunks), whole);
        assert.deepEqual(split([...bytes].map((byte) => Buffer.from([byte]))), whole);
        assert.equal(whole.raws.join('') + whole.rest, bytes.toString('latin1'));
      }),
      { numRuns: 400 },
    );
  });

  it('finds the payloads that the standard says, for every line end', () => {
    fc.assert(
      fc.property(stream, fc.boolean(), (body, bom) => {
        const text = bom ? `\ufeff${body}` : body;
        if (bom && /^[\r\n]/.test(body)) return;
        const found: string[] = [];
        const splitter = new SseSplitter();
        const onEvent = (event: SseEventFrame): void => {
          if (event.data !== undefined) found.push(event.data);
        };
        splitter.push(Buffer.from(text, 'utf8'), onEvent);
        splitter.finish(onEvent);
        assert.deepEqual(found, payloads(text));
      }),
      { numRuns: 400 },
    );
  });

  it('hands out a view where the frame lies in one chunk', () => {
    const chunk = Buffer.from('data: a\n\ndata: b\n\n');
    const raws: Buffer[] = [];
    new SseSplitter().push(chunk, (event) => raws.push(event.raw));
    assert.equal(raws.length, 2);
    for (const raw of raws) assert.equal(raw.buffer, chunk.buffer);
  });

  it('gives a blank line on its own at once: keep-alives must pass', () => {
    assert.deepEqual(split([Buffer.from('\n')]), { raws: ['\n'], rest: '' });
    assert.deepEqual(split([Buffer.from(': ping\n\n')]).raws, [': ping\n\n']);
  });

  it('waits for the LF of a CRLF, but not in a stream of CRs', () => {
    assert.deepEqual(split([Buffer.from('data: a\r\n\r')]), { raws: [], rest: 'data: a\r\n\r' });
    assert.deepEqual(split([Buffer.from('data: a\r\n\r')], true), { raws: ['data: a\r\n\r'], rest: '' });
    assert.deepEqual(split([Buffer.from('data: a\r\r')]).raws, ['data: a\r\r']);
  });

  it('keeps what has not ended as the rest', () => {
    assert.deepEqual(split([Buffer.from('data: a\n\nda'), Buffer.from('ta: b\n')], true), {
      raws: ['data: a\n\n'],
      rest: 'data: b\n',
    });
  });

  it('bounds one frame, wherever it is cut', () => {
    const frame = Buffer.from('data: 0123456789\n\n');
    for (const size of [1, 5, frame.length]) {
      const feed = (limit: number): number => {
        const splitter = new SseSplitter(limit);
        let count = 0;
        for (let at = 0; at < frame.length; at += size) splitter.push(frame.subarray(at, at + size), () => count++);
        return count;
      };
      assert.equal(feed(frame.length), 1);
      assert.throws(
        () => feed(frame.length - 1),
        (error) => GatewayError.is(error) && error.code === 'upstream_protocol_error',
      );
    }
  });
});

describe('SseEventFrame', () => {
  it('joins data lines and reads the last event name', () => {
    const event = only('event: a\ndata: one\ndata:two\nevent: b\ndata\n\n');
    assert.equal(event.event, 'b');
    assert.equal(event.data, 'one\ntwo\n');
  });

  it('has neither for a comment', () => {
    const event = only(': ping\n\n');
    assert.equal(event.event, undefined);
    assert.equal(event.data, undefined);
  });

  it('strips a byte order mark at the start of the stream only', () => {
    assert.equal(only('\ufeffdata: a\n\n').data, 'a');
    const events: (string | undefined)[] = [];
    new SseSplitter().push(Buffer.from('data: a\n\n\ufeffdata: b\n\n'), (event) => events.push(event.data));
    assert.deepEqual(events, ['a', undefined]);
  });

  it('re-frames new data and keeps the other fields', () => {
    const event = only('event: delta\r\nid: 4\r\ndata: a\r\ndata: b\r\n: note\r\n\r\n');
    event.setData('{"x":1}\nnext');
    assert.equal(event.bytes.toString(), 'event: delta\nid: 4\ndata: {"x":1}\ndata: next\n: note\n\n');
    assert.equal(event.data, '{"x":1}\nnext');
    assert.equal(event.event, 'delta');
    assert.equal(event.raw.toString(), 'event: delta\r\nid: 4\r\ndata: a\r\ndata: b\r\n: note\r\n\r\n');
  });

  it('sends the received bytes while nothing changed', () => {
    const event = only('data:  odd  spacing\n\n');
    assert.equal(event.data, ' odd  spacing');
    assert.equal(event.bytes, event.raw);
  });

  it('reads back what encodeSseEvent wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.option(fc.constantFrom('ping', 'message_stop')), (data, name) => {
        const event = only(encodeSseEvent(data, name ?? undefined).toString('utf8'));
        assert.equal(event.data, data.replace(/\r\n|\r|\n/g, '\n'));
        assert.equal(event.event, name ?? undefined);
      }),
    );
  });
});
