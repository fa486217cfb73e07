import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { loadConfig } from '../../config/loader.js';
import { createBuiltInCatalog } from '../../core/di/plugin-loader.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { type CostSettings, configSchema } from './config.js';
import factory from './factory.js';

const lifetime = { onDispose() {} };
const create = (config: unknown): unknown => factory.create(configSchema.parse(config), lifetime, new StatsStore());

async function costConfig(yaml: string, files: Record<string, string> = {}): Promise<unknown> {
  const dir = await mkdtemp(join(tmpdir(), 'smg-cost-'));
  try {
    for (const [name, text] of Object.entries({ ...files, 'gateway.yaml': yaml }))
      await writeFile(join(dir, name), text);
    const source = { file: 'gateway.yaml', cwd: dir, env: {}, defaults: 'standard' } as const;
    const { config } = await loadConfig(source, createBuiltInCatalog());
    const { config: written, parsed } = config.filters.find(({ type }) => type === 'cost') ?? {};
    // Contents of files are hidden: they may be secrets.
    return 'prices.yaml' in files ? (parsed as CostSettings).prices : written;
  } finally {
    await rm(dir, { recursive: true });
  }
}

it('is left out of the chain where nothing is said of costs', async () => {
  assert.equal(await create({}), undefined);
  assert.equal(typeof (await create({ enabled: true })), 'function');
});

it('takes its settings from `cost` and the prices of models from theirs', async () => {
  const price = { input: 1, output: 2 };
  assert.deepEqual(await costConfig('models: { aliases: { a: b } }'), {});
  assert.deepEqual(await costConfig('cost: on'), { enabled: true });
  assert.deepEqual(await costConfig('cost: off\nmodels: { m: { cost: { input: 1, output: 2 } } }'), {
    enabled: false,
    models: { m: price },
  });
  const table = 'as_of: "2026-01-31"\n';
  const file = { 'prices.yaml': table };
  assert.equal(await costConfig('cost: { prices: $file:prices.yaml }', file), table.trimEnd());
  await assert.rejects(costConfig('cost: { price: 1 }'), /gateway\.yaml:1:9 .*"?price"?/);
  await assert.rejects(costConfig('models: { m: { cost: { input: 1 } } }'), /models\.m\.cost|output/);
});

it('the example of README.md is a configuration', async () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const yaml = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  assert.equal(((await costConfig(yaml)) as { header: boolean }).header, true);
});
