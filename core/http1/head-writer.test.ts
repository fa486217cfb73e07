import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BugError } from '../api/errors.js';
import { RequestHeaders } from '../api/headers.js';
import { encodeChunk, encodeLastChunk, formatChunkSize } from './chunk-writer.js';
import {
  CONNECTION_CLOSE_LINE,
  encodeHead,
  FRAMING_CHUNKED,
  FRAMING_NONE,
  formatRequestHead,
  formatResponseHead,
} from './head-writer.js';

describe('formatResponseHead', () => {
  it('writes fields, framing, extra lines and the date', () => {
    assert.equal(
      formatResponseHead(
        200,
        ['content-type', 'a/b', 'set-cookie', 'a', 'set-cookie', 'b'],
        5,
        CONNECTION_CLOSE_LINE,
        'date: x\r\n',
      ),
      'HTTP/1.1 200 OK\r\ncontent-type: a/b\r\nset-cookie: a\r\nset-cookie: b\r\ndate: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\n',
    );
    assert.equal(
      formatResponseHead(299, [], FRAMING_CHUNKED, '', ''),
      'HTTP/1.1 299 Unknown\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    assert.equal(formatResponseHead(204, [], FRAMING_NONE, '', ''), 'HTTP/1.1 204 No Content\r\n\r\n');
  });

  it('keeps a date that is there', () => {
    assert.equal(
      formatResponseHead(200, ['date', 'y'], FRAMING_NONE, '', 'date: x\r\n'),
      'HTTP/1.1 200 OK\r\ndate: y\r\n\r\n',
    );
  });

  it('owns framing and connection fields', () => {
    const fields = [
      'content-length',
      '9',
      'transfer-encoding',
      'chunked',
      'connection',
      'x',
      'keep-alive',
      'y',
      'upgrade',
      'z',
    ];
    assert.equal(formatResponseHead(200, fields, 1, '', ''), 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n');
  });

  for (const bad of ['a\r\nb: c', 'a\nb', 'a\rb', 'a\0', 'a\x7f', 'a\x01', 'a\u010d\u010ab: c', '\u{1f600}']) {
    it(`refuses the value ${JSON.stringify(bad)}`, () => {
      assert.throws(() => formatResponseHead(200, ['x', bad], 0, '', ''), BugError);
      assert.throws(
        () => formatRequestHead(new RequestHeaders('GET', '/', 'a', 'http', ['x', bad]), '', 0, ''),
        BugError,
      );
      assert.throws(() => encodeLastChunk(['x', bad]), BugError);
    });
  }

  for (const bad of ['', 'a b', 'a:', 'a\r\n', 'ä']) {
    it(`refuses the name ${JSON.stringify(bad)}`, () => {
      assert.throws(() => formatResponseHead(200, [bad, 'x'], 0, '', ''), BugError);
      assert.throws(() => encodeLastChunk([bad, 'x']), BugError);
    });
  }

  it('refuses a status that is none', () => {
    for (const status of [0, 99, 1000, 200.5, Number.NaN])
      assert.throws(() => formatResponseHead(status, [], 0, '', ''), BugError);
  });
});

describe('formatRequestHead', () => {
  it('writes Host first', () => {
    const headers = new RequestHeaders('POST', '/v1?x', '', 'http', [
      'accept',
      '*/*',
      'host',
      'evil',
      'expect',
      '100-continue',
    ]);
    assert.equal(
      formatRequestHead(headers, 'w:1', 3, ''),
      'POST /v1?x HTTP/1.1\r\nhost: w:1\r\naccept: */*\r\ncontent-length: 3\r\n\r\n',
    );
  });

  it('refuses a request line that could be read as two', () => {
    for (const [method, path, host] of [
      ['GET\r\n', '/', 'a'],
      ['GET', '/ HTTP/1.1\r\nx: y', 'a'],
      ['GET', '/a b', 'a'],
      ['GET', '/\u0120', 'a'],
      ['GET', '', 'a'],
      ['GET', '/', 'a\r\nx: y'],
      ['GET', '/', ''],
    ] as const) {
      assert.throws(() => formatRequestHead(new RequestHeaders(method, path, host, 'http'), '', 0, ''), BugError);
    }
  });

  it('puts the first bytes into the same buffer', () => {
    assert.equal(encodeHead('h\xe4\r\n\r\n', Buffer.from('body')).latin1Slice(), 'h\xe4\r\n\r\nbody');
    assert.equal(encodeHead('h', undefined).latin1Slice(), 'h');
  });
});

describe('chunk writer', () => {
  it('frames', () => {
    assert.equal(encodeChunk(Buffer.from('x'.repeat(26))).latin1Slice(), `1a\r\n${'x'.repeat(26)}\r\n`);
    assert.equal(formatChunkSize(255), 'ff\r\n');
    assert.equal(encodeLastChunk([]).latin1Slice(), '0\r\n\r\n');
    assert.equal(encodeLastChunk(['a', 'b', 'content-length', '4']).latin1Slice(), '0\r\na: b\r\n\r\n');
  });
});
