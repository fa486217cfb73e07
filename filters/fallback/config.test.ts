import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import type { Clusters } from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { FakeClock } from '../../core/testing/index.js';
import { configSchema } from './config.js';
import factory from './factory.js';

const clusters = { get: (name: string) => ({ name }) } as unknown as Clusters;
const lifetime = { onDispose: () => undefined };

test('the example of the README is a config', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
  const [entry] = parse(yaml ?? '').filters;
  assert.equal(entry.name, 'fallback');
  const config = configSchema.parse(entry.config);
  assert.equal(config.first_token, 5_000);
  assert.equal(config.rules[0]?.first_token, 3_000);
});

test('the defaults are those of the README', () => {
  const config = configSchema.parse({});
  assert.deepEqual(config, {
    to: [],
    rules: [],
    on: ['unavailable', 'error', 'rate_limit', 'first_token'],
    first_token: 0,
    attempts_header: false,
  });
});

test('without clusters to go on to it is left out', () => {
  const create = (config: object) =>
    factory.create(configSchema.parse(config), lifetime, clusters, new FakeClock(), new StatsStore());
  assert.equal(create({}), undefined);
  assert.equal(create({ first_token: '5s' }), undefined);
  assert.equal(typeof create({ to: ['b'] }), 'function');
  assert.equal(typeof create({ rules: [{ to: ['b'] }] }), 'function');
});
