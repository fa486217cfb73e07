// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are what is tested
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalYaml, printChain } from './print.js';
import { loadText } from './testing/load-text.js';

const FULL = [
  'listeners: [{ port: 8080, limits: { body: 1MiB, idle_timeout: 90s } }]',
  'clusters:',
  '  - name: a',
  '    workers: [http://a:1, { url: "http://b:2", labels: { cost: "$$5", ref: "$${X}" }, api_key: marked-1 }]',
  '    policy: mine',
  '  - { name: b, policy: { type: power_of_two, choices: 2 }, health: off, engine: { type: sim, config: { api_key: marked-2 } } }',
  'policies: { mine: { type: power_of_two, choices: 3 } }',
  'routes: [{ match: { models: ["x*"] }, cluster: a, timeouts: { request: 2h }, retry: off, filters: { tagger: { config: { size: 3 } } } }]',
  'auth: { api_key: $KEY, keys: [{ id: red, key: marked-3 }], mode: drop }',
  'filters: [{ preset: standard }, { type: tagger, after: model, match: { streaming: true, any: [{ models: [y] }, { headers: { x-a: [b, "!c"] } }] }, config: { tag: $file:tag } }]',
  'telemetry: { metrics: { prometheus: off }, logs: { access: false } }',
  'models: { aliases: { m: n } }',
].join('\n');
const OPTIONS = { env: { KEY: 'marked-4' }, files: { tag: 'marked-5\n' } };

describe('the printed configuration', () => {
  it('gives the same configuration when it is loaded, apart from secrets', async () => {
    const first = await loadText(FULL, OPTIONS);
    const second = await loadText(canonicalYaml(first));
    assert.equal(canonicalYaml(second), canonicalYaml(first));
    assert.equal(second.config.clusters[0]?.workers[1]?.labels.ref, '${X}');
    assert.deepEqual(second.config.clusters[0]?.policy, first.config.clusters[0]?.policy);
  });

  it('holds no secret, wherever it came from', async () => {
    const loaded = await loadText(FULL, OPTIONS);
    for (const text of [canonicalYaml(loaded), canonicalYaml(loaded, { origin: true }), printChain(loaded)]) {
      assert.doesNotMatch(text, /marked-/);
    }
    assert.match(canonicalYaml(loaded), /api_key: "\*\*\*"/);
  });

  it('is canonical: units, defaults, no shorthand', async () => {
    const text = canonicalYaml(await loadText('listeners: [8080]\nclusters: [http://a:1]'));
    for (const line of [
      'host: 0.0.0.0',
      'body: 512MiB',
      'head_timeout: 30s',
      'first_byte: 2m',
      'policy: power_of_two',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line} is missing in\n${text}`);
    }
  });

  it('says where each value comes from', async () => {
    const loaded = await loadText(
      'listeners: [8080]\nclusters: [http://a:1]\nauth: { api_key: abcdef }\nfilters: [{ preset: standard }, { type: tagger, config: { tag: t } }]',
      {
        env: { GATEWAY__TELEMETRY__LOGS__LEVEL: 'debug' },
      },
    );
    const text = canonicalYaml(loaded, { origin: true });
    for (const line of [
      /port: 8080 # gateway\.yaml:1:13$/m,
      /host: 0\.0\.0\.0 # default$/m,
      /url: http:\/\/a:1 # gateway\.yaml:2:12$/m,
      /api_key: "\*\*\*" # gateway\.yaml:3:18$/m,
      /name: tagger # gateway\.yaml:4:33$/m,
      /tag: t # gateway\.yaml:4:64$/m,
      /level: debug # GATEWAY__TELEMETRY__LOGS__LEVEL$/m,
      /first_byte: 2m # default$/m,
    ]) {
      assert.match(text, line);
    }
  });
});

describe('the printed chain', () => {
  it('lists filters in order, what they are told, and what routes change', async () => {
    const text = printChain(await loadText(FULL, OPTIONS));
    const names = text.split('\n').flatMap((line) => /^ +\d+ {2}(\S+)/.exec(line)?.[1] ?? []);
    assert.deepEqual(names.slice(-8), [
      'model',
      'tagger',
      'cost',
      'fallback',
      'retry',
      'policy',
      'credentials',
      'upstream',
    ]);
    assert.match(text, /auth .*sets api_key, keys, mode/);
    const only = 'only for streaming=true any of (models=["y"] | headers={"x-a":["b","!c"]})';
    assert.ok(text.includes(`sets tag  ${only}\n`), text);
    const lines = text.slice(text.indexOf('route ')).split('\n');
    assert.deepEqual(lines.slice(0, 3), [
      'route route_1: models=["x*"] → cluster a',
      '      tagger: sets size',
      '      retry: left out',
    ]);
    assert.match(
      lines[3] as string,
      /^ +chain: request_id → .* → model → tagger\* → cost → fallback → policy → credentials → upstream$/,
    );
  });
});
