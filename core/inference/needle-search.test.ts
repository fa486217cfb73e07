import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { NeedleSearch } from './needle-search.js';

it('finds what a search of the whole finds, wherever that is cut', () => {
  const text = fc.array(fc.constantFrom('"', 'd', 'e', 'l', 't', 'a', '"delta"', '"del', 'ta"'), { maxLength: 30 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(120)), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''));
      const expected: number[] = [];
      for (let at = bytes.indexOf('"delta"'); at !== -1; at = bytes.indexOf('"delta"', at + 7)) expected.push(at + 7);
      const search = new NeedleSearch('"delta"');
      const found: number[] = [];
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      for (let i = 1; i < places.length; i++) {
        const start = places[i - 1] as number;
        const piece = bytes.subarray(start, places[i]);
        for (let at = search.next(piece, 0); at !== -1; at = search.next(piece, at)) found.push(start + at);
      }
      assert.deepEqual(found, expected);
    }),
  );
});
