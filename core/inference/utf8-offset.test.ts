import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { it } from 'node:test';
import fc from 'fast-check';
import { firstInvalidUtf8 } from './utf8-offset.js';

const bytes = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 4 }).map((part) => Buffer.from(part)),
    ),
    {
      maxLength: 5,
    },
  )
  .map((parts) => Buffer.concat(parts));

it('agrees with buffer.isUtf8, and all before the offset is valid', () => {
  fc.assert(
    fc.property(bytes, (input) => {
      const at = firstInvalidUtf8(input);
      assert.equal(at === -1, isUtf8(input));
      if (at !== -1) assert.ok(isUtf8(input.subarray(0, at)));
    }),
    { numRuns: 2000 },
  );
});

it('refuses overlong forms, surrogates and what lies above U+10FFFF', () => {
  for (const bad of [
    [0xc0, 0x80],
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x80, 0x80, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5],
    [0x80],
  ]) {
    assert.equal(firstInvalidUtf8(Buffer.from([0x61, ...bad])), 1);
  }
});
