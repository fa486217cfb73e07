import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { canonicalYaml } from '../../config/print.js';
import { errorsOf, loadText } from '../../config/testing/load-text.js';
import { loadPlugins } from '../../core/di/plugin-loader.js';
import { parseWorkerList } from './file/worker-list.js';

const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text as string);

describe('the examples of the README', () => {
  it('load, and print as they are understood', async () => {
    const types: string[] = [];
    for (const yaml of blocks('yaml')) {
      const loaded = await loadText(yaml, { catalog: loadPlugins });
      assert.deepEqual(
        loaded.warnings.filter((warning) => warning.includes('has no workers')),
        [],
      );
      types.push(...loaded.config.clusters.map(({ discovery }) => discovery?.type ?? 'none'));
      const again = await loadText(canonicalYaml(loaded), { catalog: loadPlugins });
      assert.deepEqual(again.config.clusters, loaded.config.clusters);
    }
    assert.deepEqual(types, ['file', 'dns', 'dns']);
  });

  it('and that of docs/workers.md, load', async () => {
    const page = readFileSync(new URL('../../docs/workers.md', import.meta.url), 'utf8');
    const pages = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text as string);
    const yaml = pages.find((text) => text.includes('discovery:'));
    const { config } = await loadText(yaml as string, { catalog: loadPlugins });
    assert.deepEqual(
      config.clusters.map(({ discovery }) => discovery?.type),
      ['file', 'dns'],
    );
  });

  it('include a list that is taken', () => {
    const [json] = blocks('json');
    assert.equal(parseWorkerList(json as string, 'json').length, 2);
  });
});

describe('clusters[].discovery', () => {
  const cases: [string, RegExp][] = [
    ['{ kubernetes: { port: 8000 } }', /the discovery "kubernetes" is not built yet; there are dns, file/],
    ['{ dsn: { name: a.test, port: 1 } }', /no discovery "dsn" \(did you mean "dns"\?\)/],
    ['{ dns: { name: a.test, port: 1 }, file: { path: f } }', /takes one discovery/],
    ['{ dns: { name: a.test } }', /gateway\.yaml:1:\d+ clusters\[0\]\.discovery\.dns[\s\S]*port/],
    ['{ file: { pathh: f } }', /pathh[\s\S]*did you mean "path"/],
  ];
  for (const [discovery, message] of cases) {
    it(`refuses ${discovery}`, async () => {
      const errors = await errorsOf(`clusters: [{ name: c, discovery: ${discovery} }]`, { catalog: loadPlugins });
      assert.match(errors, message);
    });
  }
});
