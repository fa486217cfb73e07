import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { ConfigError, type FilterFactoryCb, type StreamInfo } from '../../core/api/index.js';
import { renderPrometheus } from '../../core/telemetry/prometheus-exposition.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { configSchema } from './config.js';
import factory from './factory.js';

const CONFIG = {
  api_key: 'shared-key',
  keys: [
    { id: 'red', key: 'red-key' },
    { id: 'operator', key: 'operator-key', admin: true },
  ],
};

function create(config: unknown, store = new StatsStore()): FilterFactoryCb | undefined {
  return factory.create(configSchema.parse(config), { onDispose() {} }, store) as FilterFactoryCb | undefined;
}

function run(sent: string[], accessClass: StreamInfo['accessClass'] = 'data', store?: StatsStore): FilterHarness {
  const filter = { name: 'auth', factory: create(CONFIG, store) as FilterFactoryCb };
  const harness = createFilterHarness([filter], { prepare: (info) => Object.assign(info, { accessClass }) });
  harness.sendHeaders(chatRequestHeaders(...sent), true);
  return harness;
}

/** Credential headers that reached the terminal filter. */
function passedOn(harness: FilterHarness): string[] {
  const headers = harness.terminal.headers;
  return [...(headers?.getAll('authorization') ?? []), ...(headers?.getAll('x-api-key') ?? [])];
}

describe('auth: with a key', () => {
  it('accepts it as bearer token, in any case of the scheme, or as x-api-key, and takes it out', () => {
    const ways = [
      ['authorization', 'Bearer red-key'],
      ['authorization', 'bearer red-key'],
      ['authorization', 'BEARER   red-key'],
      ['x-api-key', 'red-key'],
      ['authorization', 'Bearer red-key', 'x-api-key', 'red-key'],
      ['authorization', 'Bearer red-key', 'authorization', 'Bearer shared-key'],
    ];
    for (const sent of ways) {
      const harness = run(sent);
      assert.equal(harness.streamInfo.principal?.tenant, 'red', sent.join());
      assert.deepEqual(passedOn(harness), []);
      assert.equal(harness.terminal.headers?.get('content-type'), 'application/json');
    }
  });

  it('calls the holder of the shared key `default`', () => {
    assert.equal(run(['x-api-key', 'shared-key']).streamInfo.principal?.tenant, 'default');
  });

  it('leaves the caller a provider key beside the gateway key', () => {
    assert.deepEqual(passedOn(run(['authorization', 'Bearer own', 'x-api-key', 'red-key'])), ['Bearer own']);
    assert.deepEqual(passedOn(run(['authorization', 'Bearer red-key', 'x-api-key', 'own'])), ['own']);
  });

  it('lets only admin keys call administration endpoints', () => {
    for (const key of ['shared-key', 'operator-key']) {
      assert.equal(run(['x-api-key', key], 'control').terminals.length, 1);
    }
    const refused = run(['x-api-key', 'red-key'], 'control');
    assert.equal(refused.terminals[0]?.headers, undefined);
    assert.equal(refused.response.headers?.status, 403);
    assert.equal(refused.response.json.error.code, 'permission_denied');
  });

  it('takes the key out on public endpoints, and needs none there', () => {
    const harness = run(['authorization', 'Bearer red-key'], 'public');
    assert.deepEqual(passedOn(harness), []);
    assert.equal(harness.streamInfo.principal?.tenant, 'red');
    assert.deepEqual(passedOn(run(['authorization', 'Bearer own'], 'public')), ['Bearer own']);
    assert.equal(run([], 'public').streamInfo.principal, undefined);
  });
});

describe('auth: without a key', () => {
  it('refuses with 401 and tells how to send one', () => {
    const harness = run([]);
    assert.equal(harness.terminals[0]?.headers, undefined);
    assert.equal(harness.response.headers?.status, 401);
    assert.equal(harness.response.headers.get('www-authenticate'), 'Bearer realm="smg"');
    assert.match(harness.response.json.error.message, /Missing API key.*Authorization: Bearer.*x-api-key/);
    assert.equal(harness.response.json.error.code, 'invalid_api_key');
    assert.equal(harness.response.json.error.type, 'authentication_error');
    assert.equal(harness.streamInfo.responseDetails, 'auth_missing_key');
  });

  it('refuses wrong ones, other schemes and near misses, without repeating them', () => {
    for (const value of [
      'Bearer wrong-MARKED',
      'Basic red-key',
      'red-key',
      'Bearer',
      'Bearer ',
      'Bearer red-key ',
      'Bearerred-key',
      'Bearer\tred-key',
      'Bearer RED-KEY',
    ]) {
      const harness = run(['authorization', value]);
      assert.equal(harness.response.headers?.status, 401, value);
      assert.equal(harness.response.headers.get('www-authenticate'), 'Bearer realm="smg", error="invalid_token"');
      assert.equal(harness.response.json.error.message, 'Invalid API key');
      assert.doesNotMatch(harness.response.body, /MARKED/);
      assert.equal(harness.streamInfo.principal, undefined);
    }
    assert.equal(run(['x-api-key', 'Bearer red-key']).response.headers?.status, 401);
    assert.equal(run(['x-api-key', '']).response.headers?.status, 401);
  });

  it('counts results', () => {
    const store = new StatsStore();
    run([], 'data', store);
    run(['x-api-key', 'no'], 'data', store);
    run(['x-api-key', 'red-key'], 'data', store);
    run(['x-api-key', 'red-key'], 'control', store);
    run([], 'public', store);
    const text = renderPrometheus(store);
    for (const result of ['missing', 'invalid', 'allowed', 'forbidden']) {
      assert.match(text, new RegExp(`^smg_auth_requests_total\\{result="${result}"\\} 1$`, 'm'));
    }
  });
});

describe('auth: config', () => {
  it('is left out when there is no key', () => {
    assert.equal(create({}), undefined);
    assert.equal(create({ keys: [] }), undefined);
  });

  it('refuses what cannot work, by path and without showing the key', () => {
    const cases: [unknown, (string | number)[]][] = [
      [{ api_key: ' MARKED' }, ['api_key']],
      [{ api_key: 'MARKED ü' }, ['api_key']],
      [{ api_key: 'MARKED', keys: [{ id: 'a', key: 'MARKED' }] }, ['keys', 0, 'key']],
      [
        {
          keys: [
            { id: 'a', key: 'x' },
            { id: 'a', key: 'MARKED' },
          ],
        },
        ['keys', 1, 'id'],
      ],
      [{ api_key: 'x', keys: [{ id: 'default', key: 'MARKED' }] }, ['keys', 0, 'id']],
    ];
    for (const [config, path] of cases) {
      assert.throws(
        () => create(config),
        (error) => error instanceof ConfigError && error.path.join() === path.join() && !/MARKED/.test(error.message),
      );
    }
  });

  it('refuses empty keys, bad names and unknown settings in the schema', () => {
    for (const config of [
      { api_key: '' },
      { keys: [{ id: '', key: 'x' }] },
      { keys: [{ id: 'a b', key: 'x' }] },
      { keys: [{ id: 'a', key: 'x', role: 'admin' }] },
      { apikey: 'x' },
    ]) {
      assert.equal(configSchema.safeParse(config).success, false, JSON.stringify(config));
    }
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '').filters[0];
  assert.equal(entry.type, 'auth');
  assert.deepEqual(configSchema.parse(entry.config).keys[1]?.admin, true);
});
