import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { FakeClock } from '../../core/testing/index.js';
import { configSchema } from './config.js';
import factory from './factory.js';

test('defaults', () => {
  assert.deepEqual(configSchema.parse({}), {
    attempts: 5,
    backoff: { initial: 50, max: 30_000, factor: 1.5, jitter: 0.2 },
    when: ['connect', 'reset', 'timeout', '5xx', 408, 429],
    budget: { ratio: 0.2, min_per_second: 10 },
  });
});

test('impossible settings are refused', () => {
  for (const config of [
    { attempts: 0 },
    { attempts: 1.5 },
    { backoff: { initial: '0ms' } },
    { backoff: { initial: '1s', max: '500ms' } },
    { backoff: { initial: 50 } },
    { backoff: { factor: 0.9 } },
    { backoff: { jitter: 1.1 } },
    { when: ['4xx'] },
    { when: [200] },
    { budget: { ratio: -1 } },
    { max_attempts: 3 },
  ]) {
    assert.equal(configSchema.safeParse(config).success, false, JSON.stringify(config));
  }
});

test('with one attempt, or nothing to retry, the filter compiles out', async () => {
  const create = (config: unknown) =>
    factory.create(configSchema.parse(config), { onDispose() {} }, new FakeClock(), new StatsStore());
  assert.equal(await create({ attempts: 1 }), undefined);
  assert.equal(await create({ when: [] }), undefined);
  assert.equal(typeof (await create({})), 'function');
});

test('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([^`]*)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.name, 'retry');
  const settings = configSchema.parse(entry.config);
  assert.deepEqual([settings.attempts, settings.backoff.max, settings.when.at(-1)], [3, 5000, 429]);
});
