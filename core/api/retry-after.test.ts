import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseHeaders } from './headers.js';
import { retryAfterMsOf } from './retry-after.js';

const NOW_MS = Date.parse('Tue, 24 Nov 2026 12:00:00 GMT');

for (const [value, expected] of [
  ['0', 0],
  ['3', 3000],
  [' 120 ', 120_000],
  ['Tue, 24 Nov 2026 12:00:05 GMT', 5000],
  ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
  [undefined, undefined],
  ['', undefined],
  ['soon', undefined],
  ['-1', undefined],
  ['1.5', 1500],
  ['99999999999', undefined],
] as const) {
  test(`Retry-After ${JSON.stringify(value)} is ${expected} ms`, () => {
    const headers = new ResponseHeaders(429, value === undefined ? [] : ['retry-after', value]);
    assert.equal(retryAfterMsOf(headers, NOW_MS), expected);
  });
}

for (const [flat, expected] of [
  [[], undefined],
  [['retry-after', '3'], 3000],
  [['retry-after', '3', 'retry-after-ms', '250'], 250],
  [['retry-after-ms', ' 250.5 '], 251],
  [['retry-after', '3', 'retry-after-ms', 'soon'], 3000],
  [['retry-after-ms', '-1'], undefined],
] as const) {
  test(`an answer with ${flat.join(' ') || 'neither'} asks for ${expected} ms`, () => {
    assert.equal(retryAfterMsOf(new ResponseHeaders(429, [...flat]), NOW_MS), expected);
  });
}
