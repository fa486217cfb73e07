import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadPlugins } from '../core/di/plugin-loader.js';
import type { Assignment } from './env-overlay.js';
import { parseFlags } from './flags.js';
import { canonicalYaml } from './print.js';
import { providersOfEnvironment } from './provider-expansion.js';
import { errorsOf, loadText } from './testing/load-text.js';

const ENV = { OPENAI_API_KEY: 'sk-env-openai', ANTHROPIC_ADMIN_KEY: 'admin-env', OTHER: 'sk-other' };
const load = (yaml: string, env: Record<string, string> = {}) => loadText(yaml, { env, catalog: loadPlugins });

describe('the block of providers', () => {
  it('takes keys in several spellings, under any name of the provider', async () => {
    const { config } = await load(
      [
        'clusters: [{ name: a, provider: claude }]',
        'providers:',
        '  Claude: { key: { env: OTHER }, byok: deny, default_max_tokens: 100 }',
        '  openai: $OTHER',
        '  groq: { api_key: k, url: "https://api.groq.com/openai/v1", roles: { developer: system } }',
      ].join('\n'),
      ENV,
    );
    const shown = config.providers.map(({ name, backend, key, list_key, byok }) => [
      name,
      backend,
      key?.reveal(),
      list_key?.reveal(),
      byok,
    ]);
    assert.deepEqual(shown, [
      ['anthropic', 'anthropic', 'sk-other', 'admin-env', 'deny'],
      ['openai', 'openai', 'sk-other', undefined, undefined],
      ['groq', 'openai_compatible', 'k', undefined, undefined],
    ]);
    assert.deepEqual(config.providers[2]?.config, { roles: { developer: 'system' } });
  });

  it('has keys of the environment, which are shown by where they come from alone', async () => {
    const loaded = await load('clusters: [{ name: a, provider: openai }]', ENV);
    const { config } = loaded;
    assert.equal(config.providers.find(({ name }) => name === 'openai')?.key?.reveal(), 'sk-env-openai');
    const printed = canonicalYaml(loaded, { origin: true });
    assert.ok(!printed.includes('sk-env-openai') && !JSON.stringify(config).includes('sk-env-openai'));
    assert.match(printed, /OPENAI_API_KEY/);
  });

  it('gives clusters of a provider their address', async () => {
    const yaml = 'clusters: [{ name: a, provider: groq }]\nproviders: { groq: { url: "https://h/openai/v1" } }';
    const { config } = await load(yaml);
    assert.equal(config.clusters[0]?.workers[0]?.url, 'https://h/openai/v1');
  });

  it('checks the settings by the schema of the backend', async () => {
    for (const [block, message] of [
      ['openai: { max_tokens_feild: max_tokens }', /providers\.openai\.max_tokens_feild: unknown key \(did you mean/],
      ['groq: { roles: 3 }', /providers\.groq\.roles: /],
      ['openai: { byok: maybe }', /providers\.openai\.byok: /],
      ['azure: { api_version: latest }', /providers\.azure\.api_version: must be a date like/],
    ] as const) {
      const yaml = `clusters: [http://a:1]\nproviders: { ${block} }`;
      assert.match(await errorsOf(yaml, { catalog: loadPlugins }), message);
    }
  });

  it('is known by the environment alone', () => {
    assert.deepEqual(providersOfEnvironment(ENV), ['openai']);
    assert.deepEqual(providersOfEnvironment({ GOOGLE_API_KEY: 'k', XAI_API_KEY: ' ', AZURE_OPENAI_API_KEY: 'k' }), [
      'gemini',
    ]);
  });
});

describe('--backend', () => {
  const cluster = async (line: string) => {
    const flags = parseFlags(line.split(' '), {});
    assert.deepEqual(flags.errors, []);
    const patch: readonly Assignment[] = flags.patch;
    const { config } = await loadText('', { flagsPatch: patch, defaults: 'smg', catalog: loadPlugins });
    const [first] = config.clusters;
    return { runtime: first?.runtime, provider: first?.provider, urls: first?.workers.map(({ url }) => url) };
  };

  it('openai is any cloud API: its address tells which', async () => {
    const line = '--backend openai --worker-urls https://api.anthropic.com';
    assert.deepEqual(await cluster(line), {
      runtime: 'external',
      provider: undefined,
      urls: ['https://api.anthropic.com'],
    });
  });

  it('another cloud is that provider, at its own address where none is given', async () => {
    assert.deepEqual(await cluster('--runtime anthropic --worker-urls http://127.0.0.1:1'), {
      runtime: undefined,
      provider: 'anthropic',
      urls: ['http://127.0.0.1:1'],
    });
    const { urls } = await cluster('--backend gemini');
    assert.deepEqual(urls, ['https://generativelanguage.googleapis.com']);
  });

  it('an engine is found out', async () => {
    assert.deepEqual(await cluster('--backend vllm --worker-urls http://a:1'), {
      runtime: undefined,
      provider: undefined,
      urls: ['http://a:1'],
    });
    assert.match(parseFlags(['--backend', 'llamacpp'], {}).errors[0] ?? '', /"llamacpp" is not one of sglang, vllm/);
  });
});
