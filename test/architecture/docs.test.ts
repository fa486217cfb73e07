import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { loadConfig } from '../../config/loader.js';
import { ERROR_CODES } from '../../core/api/errors.js';
import { createBuiltInCatalog } from '../../core/di/plugin-loader.js';
import { createTestAuthority } from '../../core/testing/test-certificates.js';
import { BUILT_IN_FILTERS } from '../../filters/index.js';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** What examples take from outside. */
const ENV = {
  OPENAI_API_KEY: 'k-openai',
  GATEWAY_API_KEY: 'k',
  TEAM_RED_KEY: 'k-red',
  DASHBOARD_KEY: 'k-dashboard',
  WORKER_KEY: 'k-worker',
};
const certificate = createTestAuthority().issue();
const FILES = {
  'tls.crt': certificate.cert,
  'tls.key': certificate.key,
  'clients-ca.crt': certificate.cert,
  'workers-ca.crt': certificate.cert,
  'client.crt': certificate.cert,
  'client.key': certificate.key,
  'admin.key': 'k-admin',
};

describe('documentation', () => {
  it('docs/errors.md is the error table, no more and no less', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` +\| (\d+) +\| (\w+) +\| (yes|no) +\|$/gm)];
    const documented = rows.map(([, code, status, type, retried]) => [code, Number(status), type, retried === 'yes']);
    const actual = Object.entries(ERROR_CODES).map(([code, { status, type, retryable }]) => [
      code,
      status,
      type,
      retryable,
    ]);
    assert.deepEqual(documented, actual);
  });

  for (const page of [
    'README.md',
    'docs/process-life.md',
    'docs/access.md',
    'docs/workers.md',
    'docs/limits.md',
    'docs/time-limits.md',
    'docs/filters-and-routes.md',
    'docs/cost.md',
    'docs/fallback.md',
  ]) {
    it(`the YAML of ${page} is a complete configuration`, async () => {
      const yaml = /```yaml\n([\s\S]*?)```/.exec(read(page))?.[1];
      assert.ok(yaml !== undefined);
      assert.ok(parse(yaml));
      const dir = await mkdtemp(join(tmpdir(), 'smg-readme-'));
      try {
        await writeFile(`${dir}/gateway.yaml`, yaml);
        for (const [name, text] of Object.entries(FILES)) await writeFile(join(dir, name), text);
        const source = { file: 'gateway.yaml', cwd: dir, env: ENV, defaults: 'standard' } as const;
        const { config } = await loadConfig(source, createBuiltInCatalog());
        assert.equal(config.clusters[0]?.workers.length, 2);
      } finally {
        await rm(dir, { recursive: true });
      }
    });
  }

  for (const type of ['anthropic', 'gemini']) {
    it(`the YAML of the page of the backend ${type} loads`, async () => {
      const yaml = /```yaml\n([\s\S]*?)```/.exec(read(`plugins/backend/${type}/README.md`))?.[1];
      assert.ok(yaml !== undefined);
      const dir = await mkdtemp(join(tmpdir(), 'smg-readme-'));
      try {
        await writeFile(`${dir}/gateway.yaml`, yaml);
        const source = { file: 'gateway.yaml', cwd: dir, env: ENV, defaults: 'standard' } as const;
        const { config } = await loadConfig(source, createBuiltInCatalog());
        assert.equal(config.clusters[0]?.workers.length, 1);
      } finally {
        await rm(dir, { recursive: true });
      }
    });
  }

  it('every filter has a page that the README links to', () => {
    const readme = read('README.md');
    for (const { type } of BUILT_IN_FILTERS) {
      assert.ok(readme.includes(`(filters/${type}/README.md)`), `README.md does not link to filters/${type}`);
      assert.match(read(`filters/${type}/README.md`), /```yaml/, `filters/${type}/README.md has no example`);
    }
  });
});
