import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadText } from '../../../config/testing/load-text.js';
import { loadPlugins } from '../../di/plugin-loader.js';
import { recordSpec, workerSpecs } from './worker-specs.js';

const YAML = `
clusters:
  - name: c
    workers:
      - https://api.openai.com/v1
      - { url: "http://127.0.0.1:1", provider: openai }
      - { url: "http://127.0.0.1:2", provider: anthropic, api_key: own, byok: require }
      - http://127.0.0.1:3
providers:
  anthropic: { key: stored-a, byok: deny }
  groq: { key: stored-g, url: "https://api.groq.com/openai/v1" }
`;

test('workers of the file get the key of their provider, those of the API only at its address', async () => {
  const env = { OPENAI_API_KEY: 'env-o', OPENAI_ADMIN_KEY: 'admin-o' };
  const { config } = await loadText(YAML, { env, catalog: loadPlugins });
  const [cluster] = config.clusters;
  assert.ok(cluster !== undefined);
  const stated = workerSpecs(cluster).map(({ runtime, provider, apiKey, listKey, byok }) => [
    runtime,
    provider,
    apiKey,
    listKey,
    byok,
  ]);
  assert.deepEqual(stated, [
    ['external', undefined, 'env-o', 'admin-o', undefined],
    ['external', 'openai', 'env-o', 'admin-o', undefined],
    ['external', 'anthropic', 'own', undefined, 'require'],
    [undefined, undefined, undefined, undefined, undefined],
  ]);
  const keyOf = (url: string, provider?: string, key?: string) => {
    const record = { url, models: [], ...(provider && { provider }), ...(key && { api_key: key }) };
    const { apiKey, listKey, byok } = recordSpec(record, cluster);
    return [apiKey, listKey, byok];
  };
  assert.deepEqual(keyOf('https://api.openai.com'), ['env-o', 'admin-o', undefined]);
  assert.deepEqual(keyOf('https://api.openai.com', undefined, 'mine'), ['mine', undefined, undefined]);
  assert.deepEqual(keyOf('https://evil.example', 'openai'), [undefined, undefined, undefined]);
  assert.deepEqual(
    keyOf('http://api.openai.com'),
    [undefined, undefined, undefined],
    'without TLS it is another place',
  );
  assert.deepEqual(keyOf('https://api.anthropic.com'), ['stored-a', undefined, 'deny']);
  assert.deepEqual(keyOf('https://api.groq.com/other', 'groq'), ['stored-g', undefined, undefined]);
  assert.deepEqual(keyOf('https://api.groq.com.evil.example', 'groq'), [undefined, undefined, undefined]);
});
