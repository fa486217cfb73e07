import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BodyFraming, HeadParser, requestBodyFraming, responseBodyFraming } from './head-parser.js';
import { type Http1ErrorCode, Http1ProtocolError } from './protocol-error.js';

const REQUEST =
  'POST /v1/chat?a=%20b HTTP/1.1\r\nHost: api.test:80\r\nX-Empty:\r\nContent-Length: 12\r\nx-a:\t1 2 \r\n\r\n';

function parseAll(
  kind: 'request' | 'response' | 'trailers',
  text: string,
  limits?: ConstructorParameters<typeof HeadParser>[1],
) {
  const parser = new HeadParser(kind, limits);
  const consumed = parser.parse(Buffer.from(text, 'latin1'));
  return { parser, consumed };
}

/** Error code for every cut into two, which must all agree; undefined when the head is accepted or not complete. */
function verdict(kind: 'request' | 'response' | 'trailers', text: string): string | undefined {
  const bytes = Buffer.from(text, 'latin1');
  const verdicts = new Set<string>();
  for (let cut = 0; cut < bytes.length; cut++) {
    const parser = new HeadParser(kind);
    try {
      parser.parse(bytes.subarray(0, cut));
      if (!parser.complete) parser.parse(bytes.subarray(cut));
      verdicts.add(parser.complete ? 'accepted' : 'incomplete');
    } catch (error) {
      assert.ok(error instanceof Http1ProtocolError, String(error));
      verdicts.add(error.code);
    }
  }
  assert.equal(verdicts.size, 1, `cuts disagree: ${[...verdicts].join()}`);
  return [...verdicts][0];
}

describe('HeadParser, requests', () => {
  it('reads a head and says where it ends', () => {
    const { parser, consumed } = parseAll('request', `${REQUEST}{"a":1}`);
    assert.equal(consumed, REQUEST.length);
    assert.equal(parser.complete, true);
    assert.equal(parser.method, 'POST');
    assert.equal(parser.path, '/v1/chat?a=%20b');
    assert.equal(parser.authority, 'api.test:80');
    assert.equal(parser.contentLength, 12);
    assert.equal(parser.keepAlive, true);
    assert.deepEqual(parser.flat, ['x-empty', '', 'content-length', '12', 'x-a', '1 2']);
    assert.equal(requestBodyFraming(parser), BodyFraming.Length);
  });

  it('gives the same for bytes that come one by one, and after reset for the next head', () => {
    const parser = new HeadParser('request');
    for (let round = 0; round < 2; round++) {
      for (const byte of Buffer.from(REQUEST, 'latin1')) {
        assert.equal(parser.complete, false);
        assert.equal(parser.parse(Buffer.from([byte])), 1);
      }
      assert.equal(parser.complete, true);
      assert.deepEqual(parser.flat, parseAll('request', REQUEST).parser.flat);
      parser.reset();
    }
  });

  it('takes Host from an absolute-form target and reduces it to its path', () => {
    const { parser } = parseAll('request', 'GET http://A.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n');
    assert.equal(parser.authority, 'A.test');
    assert.equal(parser.path, '/x?y');
    assert.equal(parseAll('request', 'GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n').parser.path, '/?q');
    assert.equal(parseAll('request', 'OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n').parser.path, '*');
    assert.equal(parseAll('request', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n').parser.path, '*');
  });

  it('decides about keep-alive by version and Connection', () => {
    const keepAlive = (version: string, connection: string) =>
      parseAll('request', `GET / ${version}\r\nHost: a\r\n${connection}\r\n`).parser.keepAlive;
    assert.equal(keepAlive('HTTP/1.1', ''), true);
    assert.equal(keepAlive('HTTP/1.1', 'Connection: foo, Close\r\n'), false);
    assert.equal(keepAlive('HTTP/1.0', ''), false);
    assert.equal(keepAlive('HTTP/1.0', 'Connection: Keep-Alive\r\n'), true);
    assert.equal(keepAlive('HTTP/1.0', 'Connection: keep-alive\r\nConnection: close\r\n'), false);
    assert.equal(keepAlive('HTTP/1.0', 'Connection: x ,\t keep-alive \t, y\r\n'), true);
    assert.equal(keepAlive('HTTP/1.0', 'Connection: keep-alive\xa0, x\r\n'), false, 'another name');
  });

  it('honours Expect in HTTP/1.1 only', () => {
    assert.equal(
      parseAll('request', 'PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n').parser.expectContinue,
      true,
    );
    assert.equal(parseAll('request', 'PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n').parser.expectContinue, false);
  });

  const head = (lines: string) => `POST /a HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`;
  const refused: [name: string, text: string, code: Http1ErrorCode][] = [
    ['both length fields', head('Content-Length: 1\r\nTransfer-Encoding: chunked'), 'length_and_encoding'],
    ['both, the other way round', head('Transfer-Encoding: chunked\r\nContent-Length: 1'), 'length_and_encoding'],
    ['two different lengths', head('Content-Length: 1\r\nContent-Length: 2'), 'repeated_content_length'],
    ['two equal lengths', head('Content-Length: 1\r\nContent-Length: 1'), 'repeated_content_length'],
    ['a list of lengths', head('Content-Length: 1, 1'), 'bad_content_length'],
    ['a signed length', head('Content-Length: +1'), 'bad_content_length'],
    ['a negative length', head('Content-Length: -1'), 'bad_content_length'],
    ['a hexadecimal length', head('Content-Length: 0x1'), 'bad_content_length'],
    ['an empty length', head('Content-Length:'), 'bad_content_length'],
    ['a length with a blank', head('Content-Length: 1 1'), 'bad_content_length'],
    ['a huge length', head('Content-Length: 18446744073709551617'), 'bad_content_length'],
    ['a tab after a length', head('Content-Length: 1\t'), 'bad_field_value'],
    ['another coding', head('Transfer-Encoding: gzip'), 'unknown_transfer_encoding'],
    ['a list of codings', head('Transfer-Encoding: gzip, chunked'), 'unknown_transfer_encoding'],
    ['chunked twice', head('Transfer-Encoding: chunked, chunked'), 'unknown_transfer_encoding'],
    ['two encoding fields', head('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'), 'bad_transfer_encoding'],
    ['a coding with a vertical tab', head('Transfer-Encoding: \x0bchunked'), 'bad_field_value'],
    ['a quoted coding', head('Transfer-Encoding: "chunked"'), 'unknown_transfer_encoding'],
    ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'bad_transfer_encoding'],
    ['a bare LF after a field', head('A: b\nC: d'), 'bare_lf'],
    ['a bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 'bare_lf'],
    ['a head that ends in LF LF', 'GET / HTTP/1.1\r\nHost: a\n\n', 'bare_lf'],
    ['a bare CR in a value', head('A: b\rC: d'), 'bare_cr'],
    ['CR CR LF', head('A: b\r'), 'bare_cr'],
    ['obs-fold', head('A: b\r\n c'), 'folded_field'],
    ['obs-fold with a tab', head('A: b\r\n\tc'), 'folded_field'],
    ['a blank first line of fields', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 'folded_field'],
    ['a space before the colon', head('Content-Length : 1'), 'bad_field_name'],
    ['a tab before the colon', head('Content-Length\t: 1'), 'bad_field_name'],
    ['a field without colon', head('Content-Length'), 'bad_field_line'],
    ['an empty name', head(': a'), 'bad_field_name'],
    ['NUL in a name', head('A\0: b'), 'bad_field_name'],
    ['NUL in a value', head('A: b\0'), 'bad_field_value'],
    ['DEL in a value', head('A: \x7f'), 'bad_field_value'],
    ['a non-ASCII name', head('\xe4: b'), 'bad_field_name'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 'bad_host'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 'bad_host'],
    ['two Hosts', head('Host: a'), 'bad_host'],
    ['Host with user information', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 'bad_host'],
    ['Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'bad_host'],
    ['Host with a list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 'bad_host'],
    ['Host that disagrees with the target', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_host'],
    ['absolute-form without Host', 'GET http://b/ HTTP/1.1\r\n\r\n', 'bad_host'],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 'unknown_method'],
    ['authority-form', 'GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['* without OPTIONS', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['a half escape', 'GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['a backslash', 'GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['a non-ASCII target', 'GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['a NUL in the target', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['user information in the target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['an unknown scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_target'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['two spaces', 'GET  /a HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['a tab for a space', 'GET\t/a HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['no version', 'GET /a\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['HTTP/2.0', 'GET /a HTTP/2.0\r\nHost: a\r\n\r\n', 'unsupported_version'],
    ['HTTP/1.2', 'GET /a HTTP/1.2\r\nHost: a\r\n\r\n', 'unsupported_version'],
    ['HTTP/1.10', 'GET /a HTTP/1.10\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['lower-case http', 'GET /a http/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['a space after the version', 'GET /a HTTP/1.1 \r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['an unknown method', 'BREW /a HTTP/1.1\r\nHost: a\r\n\r\n', 'unknown_method'],
    ['a lower-case method', 'get /a HTTP/1.1\r\nHost: a\r\n\r\n', 'unknown_method'],
    ['a method that is no token', 'G@T /a HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['a leading space', ' GET /a HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['two leading empty lines', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bad_start_line'],
    ['TLS on a clear-text port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n', 'bad_start_line'],
    ['an unknown expectation', head('Expect: 200-ok'), 'expectation_failed'],
  ];
  for (const [name, text, code] of refused) {
    it(`refuses ${name}, however it is cut`, () => assert.equal(verdict('request', text), code));
  }

  const accepted: [name: string, text: string][] = [
    ['one leading empty line', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n'],
    ['an IPv6 Host', 'GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n'],
    ['obs-text in a value', head('A: \xe4\xf6')],
    ['an upgrade that is ignored', head('Connection: upgrade\r\nUpgrade: h2c')],
    ['Transfer-Encoding in another case', head('Transfer-Encoding:Chunked')],
    ['bare brackets in a query', 'GET /v1/x?include[]=a HTTP/1.1\r\nHost: a\r\n\r\n'],
  ];
  for (const [name, text] of accepted) {
    it(`accepts ${name}, however it is cut`, () => assert.equal(verdict('request', text), 'accepted'));
  }
});

describe('HeadParser, limits', () => {
  const limits = { maxHeadBytes: 200, maxStartLineBytes: 60, maxFields: 3 };
  const cases: [name: string, text: string, status: number][] = [
    ['start line', `GET /${'a'.repeat(60)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    ['start line that never ends', `GET /${'a'.repeat(60)}`, 414],
    ['head', `GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(200)}\r\n\r\n`, 431],
    ['head that never ends', `GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(200)}`, 431],
    ['number of fields', `GET / HTTP/1.1\r\nHost: a\r\na: b\r\na: b\r\na: b\r\n\r\n`, 431],
  ];
  for (const [name, text, status] of cases) {
    it(`bounds the ${name} with ${status}, whole and byte by byte`, () => {
      const fails = (error: unknown) => error instanceof Http1ProtocolError && error.status === status;
      assert.throws(() => parseAll('request', text, limits), fails);
      const parser = new HeadParser('request', limits);
      assert.throws(() => {
        for (const byte of Buffer.from(text)) parser.parse(Buffer.from([byte]));
      }, fails);
    });
  }

  it('accepts a head of exactly the limit', () => {
    const text = `GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(200 - 32)}\r\n\r\n`;
    assert.equal(text.length, 200);
    assert.equal(parseAll('request', text, limits).parser.complete, true);
    assert.throws(() => parseAll('request', text.replace('A: ', 'A: b'), limits), Http1ProtocolError);
  });

  it('does not count body bytes that follow in the same input', () => {
    const { parser, consumed } = parseAll('request', `GET / HTTP/1.1\r\nHost: a\r\n\r\n${'x'.repeat(1000)}`, limits);
    assert.equal(parser.complete, true);
    assert.equal(consumed, 27);
  });
});

describe('HeadParser, responses', () => {
  it('reads status, reason and fields', () => {
    const { parser, consumed } = parseAll(
      'response',
      'HTTP/1.1 404 Not  Found\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
    );
    assert.equal(consumed, 55);
    assert.equal(parser.status, 404);
    assert.equal(parser.reason, 'Not  Found');
    assert.deepEqual(parser.flat, ['host', 'x', 'content-length', '0']);
    assert.equal(parseAll('response', 'HTTP/1.0 200\r\n\r\n').parser.keepAlive, false);
    assert.equal(parseAll('response', 'HTTP/1.1 200 \r\n\r\n').parser.reason, '');
  });

  it('knows which responses have no body', () => {
    const framing = (status: number, fields: string, method: string) =>
      responseBodyFraming(parseAll('response', `HTTP/1.1 ${status} x\r\n${fields}\r\n`).parser, method);
    const length = 'Content-Length: 5\r\n';
    const chunked = 'Transfer-Encoding: chunked\r\n';
    for (const fields of ['', length, chunked]) {
      for (const status of [204, 304]) assert.equal(framing(status, fields, 'GET'), BodyFraming.None);
      assert.equal(framing(200, fields, 'HEAD'), BodyFraming.None);
    }
    assert.equal(framing(103, '', 'GET'), BodyFraming.None);
    assert.equal(framing(200, length, 'GET'), BodyFraming.Length);
    assert.equal(framing(200, 'Content-Length: 0\r\n', 'GET'), BodyFraming.None);
    assert.equal(framing(200, chunked, 'GET'), BodyFraming.Chunked);
    assert.equal(framing(200, '', 'GET'), BodyFraming.UntilEnd);
  });

  it('does not reuse a connection after a 204 that announces a body', () => {
    assert.equal(parseAll('response', 'HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n').parser.keepAlive, false);
    assert.equal(parseAll('response', 'HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n').parser.keepAlive, true);
  });

  const refused: [text: string, code: Http1ErrorCode][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 'length_and_encoding'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 'repeated_content_length'],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'bad_transfer_encoding'],
    ['HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n', 'folded_field'],
    ['HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n', 'body_not_allowed'],
    ['HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n', 'body_not_allowed'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'bad_start_line'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'bad_start_line'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'bad_start_line'],
    ['HTTP/1.1 600 OK\r\n\r\n', 'bad_start_line'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'bad_start_line'],
    ['HTTP/1.1 200 O\0K\r\n\r\n', 'bad_start_line'],
    ['HTTP/2 200 OK\r\n\r\n', 'bad_start_line'],
    ['ICY 200 OK\r\n\r\n', 'bad_start_line'],
    ['\r\nHTTP/1.1 200 OK\r\n\r\n', 'bad_start_line'],
    ['HTTP/1.1 200 OK\n\n', 'bare_lf'],
  ];
  for (const [text, code] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(verdict('response', text), code));
  }
});
