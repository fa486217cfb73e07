import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeaderMap } from '../api/headers.js';
import { BodyDecoder, type BodySink } from './body-decoder.js';
import { BodyFraming } from './head-parser.js';
import { Http1ProtocolError } from './protocol-error.js';

class Collector implements BodySink {
  text = '';
  readonly pieces: [bytes: string, framed: string | undefined, last: boolean][] = [];
  trailers: string[] | undefined = undefined;
  ends = 0;

  onBodyBytes(bytes: Buffer, framed: Buffer | undefined, last: boolean): void {
    assert.ok(bytes.length > 0 || last, 'an empty piece only at the end');
    this.text += bytes.latin1Slice();
    this.pieces.push([bytes.latin1Slice(), framed?.latin1Slice(), last]);
    if (last) this.ends++;
  }

  onBodyTrailers(trailers: HeaderMap): void {
    this.trailers = trailers.flat;
    this.ends++;
  }
}

function decode(framing: BodyFraming, length: number, inputs: Buffer[]) {
  const decoder = new BodyDecoder();
  const sink = new Collector();
  decoder.start(framing, length);
  let consumed = 0;
  for (const input of inputs) if (!decoder.complete) consumed += decoder.decode(input, 0, sink);
  return { decoder, sink, consumed };
}

const CHUNKED = '5\r\nhello\r\n1;a=b;c="d\\"e";f\r\n!\r\n00a\r\n0123456789\r\n0\r\nX-Sum: 1\r\nx-b:\r\n\r\n';

describe('BodyDecoder, chunked', () => {
  it('yields payload and framing of chunks that lie whole in the input', () => {
    const { sink, consumed } = decode(BodyFraming.Chunked, -1, [Buffer.from('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET')]);
    assert.deepEqual(sink.pieces, [
      ['abc', '3\r\nabc\r\n', false],
      ['de', '2\r\nde\r\n', true],
    ]);
    assert.equal(consumed, 20);
  });

  it('passes no framing on with an extension', () => {
    const { sink } = decode(BodyFraming.Chunked, -1, [Buffer.from('3;x\r\nabc\r\n0\r\n\r\n')]);
    assert.deepEqual(sink.pieces, [['abc', undefined, true]]);
  });

  it('copies nothing', () => {
    const input = Buffer.from('3\r\nabc\r\n');
    const decoder = new BodyDecoder();
    decoder.start(BodyFraming.Chunked, -1);
    const seen: (Buffer | undefined)[] = [];
    decoder.decode(input, 0, {
      onBodyBytes: (bytes, framed) => seen.push(bytes, framed),
      onBodyTrailers: () => assert.fail(),
    });
    for (const bytes of seen) assert.equal(bytes?.buffer, input.buffer);
  });

  it('gives the same body, trailers and end for every cut into two and for single bytes', () => {
    const bytes = Buffer.from(`${CHUNKED}rest`);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { sink, decoder, consumed } = decode(BodyFraming.Chunked, -1, [
        bytes.subarray(0, cut),
        bytes.subarray(cut),
      ]);
      assert.equal(sink.text, 'hello!0123456789');
      assert.deepEqual(sink.trailers, ['x-sum', '1', 'x-b', '']);
      assert.equal(sink.ends, 1);
      assert.equal(decoder.complete, true);
      assert.equal(consumed, CHUNKED.length);
      for (const [piece, framed] of sink.pieces)
        if (framed) assert.match(framed, new RegExp(`^0*${piece.length.toString(16)}\r\n${piece}\r\n$`));
    }
    const single = decode(
      BodyFraming.Chunked,
      -1,
      [...bytes].map((byte) => Buffer.from([byte])),
    );
    assert.equal(single.sink.text, 'hello!0123456789');
    assert.equal(single.sink.ends, 1);
  });

  it('stops at once when the sink asks for it', () => {
    const decoder = new BodyDecoder();
    decoder.start(BodyFraming.Chunked, -1);
    let calls = 0;
    decoder.decode(Buffer.from('1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n'), 0, {
      onBodyBytes: () => {
        if (++calls === 2) decoder.stop();
      },
      onBodyTrailers: () => assert.fail(),
    });
    assert.equal(calls, 2);
  });

  it('lets the sink of the end start the next body', () => {
    const decoder = new BodyDecoder();
    decoder.start(BodyFraming.Chunked, -1);
    const input = Buffer.from('1\r\na\r\n0\r\n\r\n1\r\nb\r\n0\r\n\r\n');
    const consumed = decoder.decode(input, 0, {
      onBodyBytes: (_bytes, _framed, last) => {
        if (last) decoder.start(BodyFraming.Chunked, -1);
      },
      onBodyTrailers: () => assert.fail(),
    });
    assert.equal(consumed, input.length / 2);
    assert.equal(decoder.complete, false);
  });

  const refused: [name: string, text: string][] = [
    ['an empty size', '\r\n'],
    ['a size that is no number', 'g\r\n'],
    ['a signed size', '+1\r\na\r\n'],
    ['a negative size', '-1\r\na\r\n'],
    ['a 0x prefix', '0x1\r\na\r\n'],
    ['a blank before the size', ' 1\r\na\r\n'],
    ['a blank after the size', '1 \r\na\r\n'],
    ['a size with an underscore', '1_0\r\na\r\n'],
    ['a size beyond 2^52', '10000000000000\r\n'],
    ['a size that wraps 64 bits', '10000000000000001\r\na\r\n'],
    ['LF after the size', '1\na\r\n'],
    ['CR without LF after the size', '1\ra\r\n'],
    ['more data than the size says', '1\r\nab\r\n'],
    ['LF after the data', '1\r\na\n0\r\n\r\n'],
    ['an extension without a name', '1;\r\na\r\n'],
    ['an extension without a value', '1;a=\r\na\r\n'],
    ['an extension with CR inside', '1;a\rb\r\na\r\n'],
    ['an extension with LF inside', '1;a\nb\r\na\r\n'],
    ['an extension with a quoted LF', '1;a="\n"\r\na\r\n'],
    ['a NUL in an extension', '1;a="\0"\r\na\r\n'],
    ['text after a quoted extension', '1;a="b"c\r\na\r\n'],
    ['too many extensions', `1;${'a'.repeat(17_000)}\r\na\r\n0\r\n\r\n`],
    ['LF LF at the end', '0\r\n\n'],
    ['a framing field as trailer', '0\r\nContent-Length: 5\r\n\r\n'],
    ['Transfer-Encoding as trailer', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['Host as trailer', '0\r\nHost: a\r\n\r\n'],
    ['a folded trailer', '0\r\na: b\r\n c\r\n\r\n'],
    ['a blank before the colon of a trailer', '0\r\na : b\r\n\r\n'],
    ['a trailer section without bound', `0\r\na: ${'b'.repeat(20_000)}`],
  ];
  for (const [name, text] of refused) {
    it(`refuses ${name}, whole and byte by byte`, () => {
      const bytes = Buffer.from(text, 'latin1');
      assert.throws(() => decode(BodyFraming.Chunked, -1, [bytes]), Http1ProtocolError);
      assert.throws(
        () =>
          decode(
            BodyFraming.Chunked,
            -1,
            [...bytes].map((byte) => Buffer.from([byte])),
          ),
        Http1ProtocolError,
      );
    });
  }

  it('counts extensions over all chunks', () => {
    const chunk = `1;${'a'.repeat(1000)}\r\nx\r\n`;
    decode(BodyFraming.Chunked, -1, [Buffer.from(chunk.repeat(16))]);
    assert.throws(() => decode(BodyFraming.Chunked, -1, [Buffer.from(chunk.repeat(17))]), Http1ProtocolError);
  });
});

describe('BodyDecoder, other framings', () => {
  it('reads exactly Content-Length', () => {
    const { sink, consumed } = decode(BodyFraming.Length, 5, [Buffer.from('ab'), Buffer.from('cdeGET')]);
    assert.deepEqual(sink.pieces, [
      ['ab', undefined, false],
      ['cde', undefined, true],
    ]);
    assert.equal(consumed, 5);
  });

  it('is complete at once without a body', () => {
    const decoder = new BodyDecoder();
    decoder.start(BodyFraming.Length, 0);
    assert.equal(decoder.complete, true);
    decoder.start(BodyFraming.None, -1);
    assert.equal(decoder.complete, true);
  });

  it('lets only a body without framing end with the connection', () => {
    const until = decode(BodyFraming.UntilEnd, -1, [Buffer.from('ab')]);
    assert.equal(until.decoder.complete, false);
    until.decoder.end(until.sink);
    assert.deepEqual(until.sink.pieces, [
      ['ab', undefined, false],
      ['', undefined, true],
    ]);
    for (const framing of [BodyFraming.Length, BodyFraming.Chunked]) {
      const cut = decode(framing, 9, [Buffer.from('9\r\nab')]);
      assert.throws(() => cut.decoder.end(cut.sink), { code: 'unexpected_end' });
    }
  });
});
