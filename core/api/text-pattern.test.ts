import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileGlob, compilePatterns } from './text-pattern.js';

describe('patterns', () => {
  it('agree with the regular expression that they stand for', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.'), maxLength: 10 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '-', '.'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, text, (glob, value) => {
        const source = glob.replace(/\./g, '\\.').replace(/\*/g, '.*');
        assert.equal(compileGlob(glob)(value), new RegExp(`^${source}$`).test(value));
      }),
      { numRuns: 3000 },
    );
  });

  it('exclude with an exclamation mark', () => {
    const test = compilePatterns(['gpt-*', '!gpt-4*']);
    assert.equal(test('gpt-5'), true);
    assert.equal(test('gpt-4o'), false);
    assert.equal(test('llama'), false);
    assert.equal(compilePatterns(['!a'])('b'), true);
  });
});
