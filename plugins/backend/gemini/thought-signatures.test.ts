import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../../core/testing/fake-clock.js';
import { joinSignedId, splitSignedId, ThoughtSignatures } from './thought-signatures.js';

describe('thought signatures', () => {
  it('travel in ids', () => {
    assert.deepEqual(splitSignedId(joinSignedId('call_1', 'a+/=')), { base: 'call_1', signature: 'a+/=' });
    assert.deepEqual(splitSignedId('call_1'), { base: 'call_1', signature: undefined });
  });

  it('are remembered for an hour', () => {
    const clock = new FakeClock();
    const signatures = new ThoughtSignatures(clock);
    signatures.remember('a', 'sig');
    clock.advance(3_599_000);
    assert.equal(signatures.recall('a'), 'sig');
    clock.advance(1000);
    assert.equal(signatures.recall('a'), undefined);
    assert.equal(signatures.size, 0);
  });

  it('are bounded in number; those that are used stay', () => {
    const signatures = new ThoughtSignatures(new FakeClock());
    for (let i = 0; i < 10_000; i++) signatures.remember(`id${i}`, 's');
    signatures.recall('id0');
    signatures.remember('one more', 's');
    assert.equal(signatures.size, 10_000);
    assert.equal(signatures.recall('id0'), 's');
    assert.equal(signatures.recall('id1'), undefined);
  });

  it('are bounded in size', () => {
    const signatures = new ThoughtSignatures(new FakeClock());
    const large = 's'.repeat(1024 * 1024);
    for (let i = 0; i < 100; i++) signatures.remember(`id${i}`, large + String(i));
    assert.ok(signatures.size < 32);
    signatures.remember('id99', 'other');
    assert.equal(signatures.recall('id99'), 'other');
  });
});
