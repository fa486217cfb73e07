import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { HeaderMap } from '../api/headers.js';
import { BodyDecoder, type BodySink } from './body-decoder.js';
import { HeadParser, requestBodyFraming, responseBodyFraming } from './head-parser.js';
import { Http1ProtocolError } from './protocol-error.js';

/** One message as either parser understood it. */
interface Message {
  method: string;
  target: string;
  status: number;
  minorVersion: number;
  fields: string[];
  body: string;
  trailers: string[];
  keepAlive: boolean;
}

type Kind = 'request' | 'response';

class BodyCollector implements BodySink {
  body = '';
  trailers: string[] = [];

  onBodyBytes(bytes: Buffer): void {
    this.body += bytes.latin1Slice();
  }

  onBodyTrailers(trailers: HeaderMap): void {
    this.trailers = trailers.flat;
  }
}

/** Ours: the first message of the pieces and its length; undefined while it is not complete; throws when refused. */
function readOurs(kind: Kind, pieces: Buffer[]): { message: Message; bytes: number } | undefined {
  const head = new HeadParser(kind);
  const decoder = new BodyDecoder();
  const collector = new BodyCollector();
  let bytes = 0;
  let started = false;
  for (const piece of pieces) {
    let at = 0;
    if (!head.complete) at = head.parse(piece);
    if (head.complete && !started) {
      started = true;
      decoder.start(
        kind === 'request' ? requestBodyFraming(head) : responseBodyFraming(head, 'GET'),
        head.contentLength,
      );
    }
    if (started && !decoder.complete) at += decoder.decode(piece, at, collector);
    bytes += at;
    if (started && decoder.complete) break;
  }
  if (!started) return undefined;
  const untilEnd = !decoder.complete;
  if (untilEnd) decoder.end(collector);
  const host = kind === 'request' && head.authority !== '' ? ['host', head.authority.toLowerCase()] : [];
  const message = {
    method: head.method,
    target: head.target,
    status: head.status,
    minorVersion: head.minorVersion,
    fields: sorted([...head.flat, ...host]),
    body: collector.body,
    trailers: sorted(collector.trailers),
    keepAlive: head.keepAlive && !untilEnd,
  };
  return { message, bytes };
}

interface NodeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | Error;
  finish(): undefined | Error;
  [callback: number]: (...args: never[]) => unknown;
}
interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}
// The parser below node:http, without its sockets.
const { HTTPParser, methods } = createRequire(import.meta.url)('node:_http_common') as {
  HTTPParser: NodeParserClass;
  methods: string[];
};

/** Node's: every message in the bytes, and where it stopped on an error. `ended`: the connection ends after them. */
class NodeReader {
  readonly messages: Message[] = [];
  error: Error | undefined = undefined;
  readonly #parser = new HTTPParser();
  #fields: string[] = [];
  #target = '';
  #current: Message | undefined = undefined;

  constructor(kind: Kind) {
    const parser = this.#parser;
    parser.initialize(kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 64 * 1024, 0);
    parser[HTTPParser.kOnHeaders] = (fields: string[], target: string) => {
      this.#fields.push(...fields);
      this.#target += target;
    };
    parser[HTTPParser.kOnHeadersComplete] = this.#onHead.bind(this) as (...args: never[]) => unknown;
    parser[HTTPParser.kOnBody] = (bytes: Buffer) => {
      (this.#current as Message).body += bytes.latin1Slice();
    };
    parser[HTTPParser.kOnMessageComplete] = () => {
      const message = this.#current as Message;
      message.trailers = lowered(this.#fields);
      this.#fields = [];
      this.messages.push(message);
    };
  }

  feed(bytes: Buffer): this {
    const result = this.#parser.execute(bytes);
    if (result instanceof Error) this.error = result;
    return this;
  }

  end(): this {
    const result = this.#parser.finish();
    if (result instanceof Error) this.error = result;
    return this;
  }

  #onHead(
    _major: number,
    minor: number,
    fields: string[] | undefined,
    method: number | undefined,
    target: string | undefined,
    status: number | undefined,
    _reason: string,
    _upgrade: boolean,
    keepAlive: boolean,
  ): number {
    this.#current = {
      method: method === undefined || method === null ? '' : (methods[method] as string),
      target: target ?? this.#target,
      status: status ?? 0,
      minorVersion: minor,
      fields: lowered(fields ?? this.#fields),
      body: '',
      trailers: [],
      keepAlive,
    };
    this.#fields = [];
    this.#target = '';
    return 0;
  }
}

function lowered(fields: string[]): string[] {
  return sorted(fields.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text)));
}

/** Fields in an order that does not depend on where Host stood. */
function sorted(fields: string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}\0${fields[i + 1]}`);
  return lines.sort();
}

/** Whatever ours accepts, node accepts, ends at the same byte, and takes to mean the same. */
function checkAgainstNode(kind: Kind, bytes: Buffer): 'accepted' | 'refused' | 'incomplete' {
  let ours: ReturnType<typeof readOurs>;
  try {
    ours = readOurs(kind, [bytes]);
  } catch (error) {
    if (error instanceof Http1ProtocolError) return 'refused';
    throw error;
  }
  if (ours === undefined) return 'incomplete';
  const message = bytes.subarray(0, ours.bytes);
  const node = new NodeReader(kind).feed(message.subarray(0, -1));
  assert.equal(node.messages.length, 0, 'node saw the end earlier');
  node.feed(message.subarray(-1));
  if (node.messages.length === 0) node.end();
  assert.equal(node.error, undefined, 'node refuses it');
  assert.equal(node.messages.length, 1);
  const { keepAlive, ...theirs } = node.messages[0] as Message;
  const named = /^https?:\/\/([^/?]+)/i.exec(theirs.target);
  if (kind === 'request' && named !== null && !theirs.fields.some((line) => line.startsWith('host\0'))) {
    // HTTP/1.0 with an absolute-form target: ours knows the authority from there.
    theirs.fields = [...theirs.fields, `host\0${named[1]?.toLowerCase()}`].sort();
  }
  const { keepAlive: weKeepAlive, ...mine } = ours.message;
  assert.deepEqual(mine, theirs);
  // Node takes a tab behind the word for a part of it (RFC 9110, 5.6.3 does not), and closes more than it must.
  const tabbed = /keep-alive\t/i.test(bytes.latin1Slice());
  assert.ok(keepAlive || !weKeepAlive || tabbed, 'ours keeps a connection that node closes');
  return 'accepted';
}

/** The same outcome, error code included, for the bytes whole and cut at each of `cuts`. */
function checkCuts(kind: Kind, bytes: Buffer, cuts: Iterable<number>): void {
  const outcome = (pieces: Buffer[]) => {
    try {
      const read = readOurs(kind, pieces);
      return read === undefined ? 'incomplete' : JSON.stringify(read);
    } catch (error) {
      if (error instanceof Http1ProtocolError) return error.code;
      throw error;
    }
  };
  const whole = outcome([bytes]);
  for (const cut of cuts) assert.equal(outcome([bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `cut at ${cut}`);
  assert.equal(outcome([...bytes].map((byte) => Buffer.from([byte]))), whole, 'byte by byte');
}

const pick = (...texts: string[]) => fc.constantFrom(...texts);
const method = pick('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'PATCH', 'TRACE', 'CONNECT', 'QUERY', 'get');
const target = pick(
  '/',
  '/v1/chat/completions',
  '/a?b=c&d=%20',
  'http://a.test/x',
  'http://a.test',
  'https://a.test?q',
  '*',
  '/%',
  '/ä',
  '//',
  'a.test:1',
  '/x[]',
);
const version = pick('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1');
const statusLine = pick(
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200',
  'HTTP/1.1 200 ',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 x',
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 999 x',
  'HTTP/1.1 503 \xe4',
);
const plainField = pick(
  'Accept: */*',
  'X-A: b',
  'x-a:b',
  'x-tab:\ta\t',
  'x-empty:',
  'X-Obs: \xe9',
  "x!#$%&'*+.^_`|~: 1",
  'Date: now',
);
const framingField = pick(
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Keep-Alive, x',
  'Connection: upgrade',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'Trailer: x',
  'TE: trailers',
);
const badField = pick(
  ' folded',
  'a : b',
  'a',
  ': b',
  'a: b\0',
  'a\0: b',
  'a: b\rc: d',
  'a: \x7f',
  'a: b\nc: d',
  'Content-Length: 3',
  'content-length: 3',
  'Content-Length: +3',
  'Content-Length: 3, 3',
  'Content-Length:3 ',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'transfer-encoding:chunked ',
  'Transfer-Encoding: xchunked',
  'Host: b.test',
  'host: a.test',
);
const body = fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n', '0', '\xff', '\0', ';'), maxLength: 12 });

interface Framed {
  fields: string[];
  text: string;
}
const chunk = fc
  .record({
    data: body.filter((text) => text !== ''),
    extension: pick('', '', '', ';a', ';a=b', ';a="b;\\"c"'),
    zeros: pick('', '', '0'),
  })
  .map(({ data, extension, zeros }) => `${zeros}${data.length.toString(16)}${extension}\r\n${data}\r\n`);
const trailerLines = fc.array(pick('x-t: 1', 'x-sum:\ta', 'X-U:'), { maxLength: 2 });
const framed: fc.Arbitrary<Framed> = fc.oneof(
  fc.constant<Framed>({ fields: [], text: '' }),
  body.map((text) => ({ fields: [`Content-Length: ${text.length}`], text })),
  fc.record({ chunks: fc.array(chunk, { maxLength: 3 }), trailers: trailerLines }).map(({ chunks, trailers }) => ({
    fields: ['Transfer-Encoding: chunked'],
    text: `${chunks.join('')}0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`,
  })),
);

function message(startLine: fc.Arbitrary<string>, hosts: fc.Arbitrary<string[]>): fc.Arbitrary<string> {
  return fc
    .record({
      startLine,
      hosts,
      fields: fc.array(
        fc.oneof(
          { weight: 4, arbitrary: plainField },
          { weight: 2, arbitrary: framingField },
          { weight: 1, arbitrary: badField },
        ),
        { maxLength: 5 },
      ),
      framed,
      rest: pick('', '', 'GET / HTTP/1.1\r\n\r\n', '\r\n'),
      leading: pick('', '', '', '\r\n'),
    })
    .map((parts) => {
      const lines = [...parts.hosts, ...parts.framed.fields, ...parts.fields];
      return `${parts.leading}${parts.startLine}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${parts.framed.text}${parts.rest}`;
    });
}

const request = message(
  fc.tuple(method, target, version).map((parts) => parts.join(' ')),
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<string[]>(['Host: a.test']) },
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
  ),
);
const plainRequest = message(fc.constant('POST /v1/x HTTP/1.1'), fc.constant<string[]>(['Host: a.test']));
const response = message(statusLine, fc.constant([]));

/** Small damage at random places: a byte replaced, inserted or removed. */
const damage = fc.array(
  fc.record({
    at: fc.nat(400),
    how: fc.constantFrom('replace', 'insert', 'remove'),
    with: fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      ' ',
      '\t',
      ':',
      ';',
      ',',
      '\0',
      '0',
      '1',
      'f',
      '-',
      '+',
      '\x0b',
      '\xa0',
      'a',
    ),
  }),
  { maxLength: 2 },
);
function damaged(text: string, steps: { at: number; how: string; with: string }[]): Buffer {
  let result = text;
  for (const step of steps) {
    const at = step.at % (result.length + 1);
    const skipped = step.how === 'insert' ? 0 : 1;
    result = result.slice(0, at) + (step.how === 'remove' ? '' : step.with) + result.slice(at + skipped);
  }
  return Buffer.from(result, 'latin1');
}

describe('differential against the parser of node:http', () => {
  const kinds: [name: string, kind: Kind, arbitrary: fc.Arbitrary<string>, runs: number][] = [
    ['requests', 'request', fc.oneof(request, plainRequest), 3000],
    ['responses', 'response', response, 3000],
  ];
  for (const [name, kind, arbitrary, runs] of kinds) {
    it(`${name}: what we accept means the same to node, valid or damaged`, () => {
      const counts = { accepted: 0, refused: 0, incomplete: 0 };
      fc.assert(
        fc.property(arbitrary, damage, (text, steps) => {
          counts[checkAgainstNode(kind, damaged(text, steps))]++;
        }),
        { numRuns: runs },
      );
      // The property would be empty if nearly all were refused.
      assert.ok(counts.accepted > runs / 10, JSON.stringify(counts));
      assert.ok(counts.refused > runs / 10, JSON.stringify(counts));
    });

    it(`${name}: the outcome does not depend on the cut`, () => {
      fc.assert(
        fc.property(arbitrary, damage, (text, steps) => {
          const bytes = damaged(text, steps);
          checkCuts(kind, bytes, Array(bytes.length).keys());
        }),
        { numRuns: 250 },
      );
    });
  }

  it('requests: every well-formed one that node accepts is accepted by us', () => {
    const wellFormed = fc.record({
      method: pick('GET', 'POST', 'DELETE'),
      fields: fc.array(plainField, { maxLength: 4 }),
      framed,
    });
    fc.assert(
      fc.property(wellFormed, (parts) => {
        const lines = ['Host: a.test', ...parts.framed.fields, ...parts.fields].map((line) => `${line}\r\n`).join('');
        const bytes = Buffer.from(`${parts.method} /x HTTP/1.1\r\n${lines}\r\n${parts.framed.text}`, 'latin1');
        assert.equal(new NodeReader('request').feed(bytes).messages.length, 1);
        assert.equal(checkAgainstNode('request', bytes), 'accepted');
      }),
      { numRuns: 500 },
    );
  });
});
