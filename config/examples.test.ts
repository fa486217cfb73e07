import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadPlugins } from '../core/di/plugin-loader.js';
import { createTestAuthority } from '../core/testing/test-certificates.js';
import { type LoadedConfig, loadConfig } from './loader.js';

const EXAMPLES = fileURLToPath(new URL('./examples/', import.meta.url));
const files = (await readdir(EXAMPLES)).filter((name) => name.endsWith('.yaml')).sort();
const env = {
  GATEWAY_API_KEY: 'k',
  TEAM_RED_KEY: 'k-red',
  TEAM_BLUE_KEY: 'k-blue',
  WORKER_KEY: 'k-worker',
  ADMIN_KEY: 'k-admin',
  DASHBOARD_KEY: 'k-dashboard',
};
const certificate = createTestAuthority().issue();
const PEM = {
  'tls.crt': certificate.cert,
  'tls.key': certificate.key,
  'client.crt': certificate.cert,
  'client.key': certificate.key,
  'workers-ca.crt': certificate.cert,
  smg_api_key: 'k-file\n',
  smg_admin_key: 'k-admin-file\n',
};

/** The examples name files of a server; here they stand beside a copy of the example. */
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'smg-examples-'));
  await Promise.all(Object.entries(PEM).map(([name, content]) => writeFile(join(folder, name), content)));
});
after(() => rm(folder, { recursive: true, force: true }));

async function loadExample(name: string): Promise<LoadedConfig> {
  const text = await readFile(join(EXAMPLES, name), 'utf8');
  await writeFile(join(folder, name), text.replaceAll(/\$file:\/(?:\w+\/)+/g, '$file:./'));
  return loadConfig({ file: name, env, cwd: folder, defaults: 'standard' }, loadPlugins);
}

describe('an example file', () => {
  assert.ok(files.length >= 5);
  for (const name of files) {
    it(`${name} loads without a warning about secrets`, async () => {
      const { warnings } = await loadExample(name);
      assert.deepEqual(
        warnings.filter((warning) => warning.includes('secret')),
        [],
      );
    });
  }

  it('quick-start.yaml starts two engines and listens on loopback', async () => {
    const { config, warnings } = await loadExample('quick-start.yaml');
    assert.deepEqual(
      config.listeners.map(({ host, port }) => [host, port]),
      [['127.0.0.1', 30_000]],
    );
    assert.equal(config.clusters[0]?.engine?.count, 2);
    assert.deepEqual(warnings, []);
  });

  it('ten-lines.yaml has ten lines', async () => {
    assert.equal((await readFile(join(EXAMPLES, 'ten-lines.yaml'), 'utf8')).trimEnd().split('\n').length, 10);
  });

  it('full.yaml writes every default as it is', async () => {
    const full = (await loadExample('full.yaml')).config;
    const bare = (await loadConfig({ env: {}, cwd: folder, defaults: 'standard' }, loadPlugins)).config;
    assert.deepEqual(full.listeners[0], bare.listeners[0]);
    assert.deepEqual([full.listeners[1]?.kind, full.listeners.length], ['probe', 2]);
    assert.deepEqual(full.telemetry, bare.telemetry);
    assert.deepEqual([full.admin, full.runtime], [bare.admin, bare.runtime]);
  });
});
