import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UsageAccumulator } from './usage-accumulator.js';

it('merges per field, the last value wins', () => {
  const usage = new UsageAccumulator();
  assert.equal(usage.usage, undefined);
  usage.add({ promptTokens: 5, completionTokens: 1 });
  usage.add({ completionTokens: 9, cachedTokens: 0 });
  assert.deepEqual(usage.usage, { promptTokens: 5, completionTokens: 9, cachedTokens: 0 });
});
