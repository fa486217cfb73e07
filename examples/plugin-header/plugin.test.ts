import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  type FilterDefinition,
  FilterHeadersStatus,
  GatewayError,
  type InjectionToken,
  ResponseHeaders,
  type StatsScope,
} from '../../core/api/index.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness } from '../../core/testing/index.js';

const SOURCE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(SOURCE, '..', '..');

/** The package as npm would install it beside smg, which is this checkout. */
const folder = mkdtempSync(join(tmpdir(), 'smg-plugin-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function install(): string {
  const modules = join(folder, 'node_modules');
  const target = join(modules, 'smg-plugin-header');
  mkdirSync(join(modules, 'smg'), { recursive: true });
  mkdirSync(target, { recursive: true });
  writeFileSync(join(modules, 'smg', 'package.json'), '{"name":"smg","type":"module","exports":"./index.js"}');
  const api = pathToFileURL(join(ROOT, 'core', 'index.ts')).href;
  writeFileSync(join(modules, 'smg', 'index.js'), `export * from ${JSON.stringify(api)};\n`);
  symlinkSync(join(ROOT, 'node_modules', 'zod'), join(modules, 'zod'));
  const manifest = JSON.parse(readFileSync(join(SOURCE, 'package.json'), 'utf8')) as { files: string[] };
  for (const file of [...manifest.files, 'package.json'])
    writeFileSync(join(target, file), readFileSync(join(SOURCE, file)));
  return pathToFileURL(join(target, 'index.js')).href;
}

const { default: plugin } = (await import(install())) as {
  default: FilterDefinition<unknown, readonly [InjectionToken<StatsScope>]>;
};

/** Runs one answer through the filter. */
async function answer(stats: StatsStore, config: unknown, contentType: string, body: string) {
  const factory = await plugin.create(plugin.configSchema.parse(config), { onDispose() {} }, stats);
  assert.ok(factory !== undefined);
  const harness = createFilterHarness([{ name: 'response_header', factory }]);
  harness.sendHeaders(chatRequestHeaders(), true);
  const { callbacks } = harness.terminal;
  callbacks.encodeHeaders(new ResponseHeaders(200, ['content-type', contentType]), false);
  callbacks.encodeData(Buffer.from(body), true);
  return harness;
}

function eventsOf(stats: StatsStore): number {
  const counter = stats.counter({ name: 'smg_plugin_header_events_total', help: '' }).with();
  return (counter as unknown as { value: number }).value;
}

const CONFIG = { name: 'X-Served-By', value: 'my gateway' };

test('sets the header and counts the events of a stream', async () => {
  const stats = new StatsStore();
  const body = 'data: 1\n\ndata: 2\n\ndata: [DONE]\n\n';
  const harness = await answer(stats, CONFIG, 'text/event-stream', body);
  assert.equal(harness.response.headers?.get('x-served-by'), 'my gateway');
  assert.equal(harness.response.body, body);
  assert.equal(eventsOf(stats), 3);
});

test('leaves other answers as they are, and marks errors of the gateway too', async () => {
  const stats = new StatsStore();
  const harness = await answer(stats, CONFIG, 'application/json', '{"a":1}');
  assert.equal(harness.response.body, '{"a":1}');
  assert.equal(eventsOf(stats), 0);

  const factory = await plugin.create(plugin.configSchema.parse(CONFIG), { onDispose() {} }, stats);
  const refused = createFilterHarness([{ name: 'response_header', factory: factory as NonNullable<typeof factory> }], {
    terminal: (callbacks) => ({
      decodeHeaders: () => {
        callbacks.sendLocalReply(new GatewayError('draining', 'Shutting down'));
        return FilterHeadersStatus.StopIteration;
      },
    }),
  });
  refused.sendHeaders(chatRequestHeaders(), true);
  assert.equal(refused.response.headers?.status, 503);
  assert.equal(refused.response.headers?.get('x-served-by'), 'my gateway');
});

test('refuses settings that would break answers', () => {
  for (const config of [
    {},
    { ...CONFIG, name: 'content-length' },
    { ...CONFIG, name: 'a b' },
    { ...CONFIG, value: 'a\r\nset-cookie: b' },
    { ...CONFIG, value: '' },
    { ...CONFIG, extra: 1 },
  ]) {
    assert.equal(plugin.configSchema.safeParse(config).success, false, JSON.stringify(config));
  }
});
