import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { normalizeBase64, normalizeMediaType, parseDataUrl, sniffMediaType } from './data-url.js';

const base64 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64');

describe('data URLs', () => {
  it('are read whatever the case of scheme and encoding, with parameters', () => {
    for (const url of [
      'data:image/png;base64,AAAA',
      'DATA:IMAGE/PNG;BASE64,AAAA',
      'data:image/png;name=a.png;base64,AA\nAA',
      'data: image/png ;base64,AAAA',
    ]) {
      assert.deepEqual(parseDataUrl(url, 'p'), { mediaType: 'image/png', data: 'AAAA' }, url);
    }
  });

  it('without base64 are percent-decoded', () => {
    const text = (url: string): string => Buffer.from(parseDataUrl(url, 'p').data, 'base64').toString('utf8');
    assert.equal(text('data:text/plain,a%20b,%C3%A9'), 'a b,é');
    assert.equal(text('data:text/plain;charset=utf-8,é%'), 'é%');
  });

  it('have the type that their bytes say, else the one that is written', () => {
    const jpeg = base64('\xff\xd8\xff\xe0rest');
    assert.equal(parseDataUrl(`data:image/png;base64,${jpeg}`, 'p').mediaType, 'image/jpeg');
    assert.equal(parseDataUrl(`data:;base64,${jpeg}`, 'p').mediaType, 'image/jpeg');
    assert.equal(parseDataUrl('data:image/jpg;base64,AAAA', 'p').mediaType, 'image/jpeg');
  });

  it('that say nothing usable are refused with the field', () => {
    for (const url of [
      'data:image/png;base64',
      'data:image/png;base64,AA$A',
      'data:image/png;base64,AAAAA',
      'data:image/png;base64,AA=A',
      'data:;base64,AAAA',
      'data:application/octet-stream;base64,AAAA',
    ]) {
      assert.throws(() => parseDataUrl(url, 'messages[0]'), { code: 'invalid_image_url', param: 'messages[0]' }, url);
    }
    assert.throws(() => parseDataUrl('data:,', 'p', 'invalid_value'), { code: 'invalid_value' });
  });
});

describe('base64', () => {
  it('is padded and free of white space', () => {
    assert.equal(normalizeBase64(' AA A\r\n'), 'AAA=');
    assert.equal(normalizeBase64('AA=='), 'AA==');
    assert.equal(normalizeBase64(''), '');
    for (const text of ['A', 'AA=', 'A===', '=', 'AA-_']) assert.equal(normalizeBase64(text), undefined, text);
  });

  it('of any bytes survives, broken up anywhere', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(80), (bytes, at) => {
        const data = Buffer.from(bytes).toString('base64');
        assert.equal(normalizeBase64(`${data.slice(0, at)}\n${data.slice(at)}`), data);
        assert.equal(normalizeBase64(data.replace(/=+$/, '')), data);
      }),
    );
  });
});

describe('media types', () => {
  it('are told by magic numbers', () => {
    const cases = {
      'image/jpeg': '\xff\xd8\xff\xdb',
      'image/png': '\x89PNG\r\n\x1a\n',
      'image/gif': 'GIF89a',
      'image/webp': 'RIFF\x10\x00\x00\x00WEBPVP8 ',
      'application/pdf': '%PDF-1.7\n',
    };
    for (const [type, bytes] of Object.entries(cases)) assert.equal(sniffMediaType(base64(bytes)), type);
    for (const bytes of ['', 'hello', 'RIFF\x10\x00\x00\x00WAVE'])
      assert.equal(sniffMediaType(base64(bytes)), undefined);
  });

  it('have one spelling', () => {
    assert.equal(normalizeMediaType(' Image/JPG; q=1'), 'image/jpeg');
    assert.equal(normalizeMediaType('text/plain'), 'text/plain');
  });
});
