import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type FilterFactoryCb, ResponseHeaders, type StreamInfo } from '../../core/api/index.js';
import { createLog } from '../../core/telemetry/log.js';
import { renderPrometheus } from '../../core/telemetry/prometheus-exposition.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { configSchema } from './config.js';
import factory from './factory.js';

const CONFIG = {
  api_key: 'shared-key',
  tenants: [{ id: 'red', key: 'red-key' }],
};

/** Lines of the log of the last `create`. */
let lines: string[] = [];

function create(config: unknown, store = new StatsStore()): FilterFactoryCb | undefined {
  lines = [];
  const written = lines;
  const sink = { write: (line: string) => void written.push(line), writeAscii: () => {} };
  const { logger } = createLog({ format: 'json', sink });
  return factory.create(configSchema.parse(config), { onDispose() {} }, store, logger) as FilterFactoryCb | undefined;
}

interface RunOptions {
  readonly config?: unknown;
  readonly store?: StatsStore;
  readonly method?: string;
  readonly path?: string;
}

function run(
  sent: string[],
  accessClass: StreamInfo['accessClass'] = 'data',
  { config = CONFIG, store, method = 'POST', path = '/v1/chat/completions' }: RunOptions = {},
): FilterHarness {
  const filter = { name: 'auth', factory: create(config, store) as FilterFactoryCb };
  const harness = createFilterHarness([filter], {
    prepare: (info) => Object.assign(info, { accessClass, method, path, endpoint: '/workers/*' }),
  });
  harness.sendHeaders(chatRequestHeaders(...sent), true);
  return harness;
}

/** Credential headers that reached the terminal filter. */
function passedOn(harness: FilterHarness): string[] {
  const headers = harness.terminal.headers;
  const names = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-provider-key-openai'];
  return names.flatMap((name) => headers?.getAll(name) ?? []);
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

  it('takes copies of a key out wherever a client may put them, though they do not count there', () => {
    const copies = ['x-goog-api-key', 'red-key', 'api-key', 'shared-key', 'authorization', 'red-key'];
    copies.push('x-provider-key-openai', 'red-key');
    assert.deepEqual(passedOn(run(['x-api-key', 'red-key', ...copies, 'x-api-key', 'Bearer red-key'])), []);
    assert.equal(run(['x-goog-api-key', 'red-key']).response.headers?.status, 401);
    assert.deepEqual(passedOn(run(['x-api-key', 'red-key', 'x-goog-api-key', 'own'])), ['own']);
  });

  it('takes a key out of the query, where it does not count either', () => {
    const targets: [string, string][] = [
      ['/v1/chat/completions?key=red-key', '/v1/chat/completions'],
      ['/v1/chat/completions?a=1&api_key=shared%2Dkey&b=%zz', '/v1/chat/completions?a=1&b=%zz'],
      ['/v1/chat/completions?key=own&name=red-key', '/v1/chat/completions?key=own&name=red-key'],
    ];
    for (const [target, expected] of targets) {
      const filter = { name: 'auth', factory: create(CONFIG) as FilterFactoryCb };
      const harness = createFilterHarness([filter], {
        prepare: (info) => Object.assign(info, { accessClass: 'data' }),
      });
      const headers = chatRequestHeaders('x-api-key', 'red-key');
      headers.path = target;
      harness.sendHeaders(headers, true);
      assert.equal(harness.terminal.headers?.path, expected);
    }
  });

  it('lets a tenant have two keys, and takes the other spelling of the list', () => {
    const config = { tenants: [{ id: 'red', key: 'old' }], keys: [{ id: 'red', key: 'new' }] };
    for (const key of ['old', 'new']) {
      assert.equal(run(['x-api-key', key], 'data', { config }).streamInfo.principal?.tenant, 'red');
    }
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
    const config = { ...CONFIG, admin: { keys: [{ id: 'u', role: 'user', key: 'user-key' }] } };
    run([], 'data', { store, config });
    run(['x-api-key', 'no'], 'data', { store, config });
    run(['x-api-key', 'red-key'], 'data', { store, config });
    run(['x-api-key', 'user-key'], 'control', { store, config });
    run([], 'public', { store, config });
    const text = renderPrometheus(store);
    for (const result of ['missing', 'invalid', 'allowed', 'forbidden']) {
      assert.match(text, new RegExp(`^smg_auth_requests_total\\{result="${result}"\\} 1$`, 'm'));
    }
  });
});

describe('auth: administration without keys of its own', () => {
  it('opens with the shared key; a tenant key is no key there', () => {
    assert.equal(run(['x-api-key', 'shared-key'], 'control').terminals[0]?.headers?.method, 'POST');
    for (const sent of [['x-api-key', 'red-key'], ['authorization', 'Bearer red-key'], ['x-api-key', 'no'], []]) {
      const refused = run(sent, 'control');
      assert.equal(refused.terminals[0]?.headers, undefined);
      assert.equal(refused.response.headers?.status, 401, sent.join());
      assert.equal(refused.response.json.error.code, 'invalid_api_key');
    }
  });

  it('stays shut where there are only keys of tenants', () => {
    const config = { tenants: [{ id: 'red', key: 'red-key' }] };
    for (const sent of [[], ['x-api-key', 'red-key'], ['authorization', 'Bearer red-key']]) {
      assert.equal(run(sent, 'control', { config }).response.headers?.status, 401, sent.join());
    }
    assert.equal(run(['x-api-key', 'red-key'], 'data', { config }).response.headers, undefined);
  });
});

describe('auth: administration with keys of its own', () => {
  const admin = {
    keys: [
      { id: 'ops', name: 'Ops Team', role: 'ADMIN', key: 'a:b:c' },
      { id: 'look', role: 'User', key: 'user-key' },
    ],
  };
  const config = { ...CONFIG, admin };

  it('opens with them only', () => {
    for (const sent of [
      ['authorization', 'Bearer a:b:c'],
      ['x-api-key', 'a:b:c'],
    ]) {
      const harness = run(sent, 'control', { config, method: 'DELETE' });
      assert.equal(harness.terminals[0]?.headers?.method, 'POST', 'it has gone through');
      assert.deepEqual(passedOn(harness), []);
      assert.equal(harness.streamInfo.principal, undefined, 'an administrator is no tenant');
    }
    for (const key of ['shared-key', 'red-key', 'wrong-MARKED']) {
      const { response } = run(['authorization', `Bearer ${key}`], 'control', { config });
      assert.equal(response.headers?.status, 401);
      assert.equal(response.headers?.get('www-authenticate'), 'Bearer realm="control-plane", error="invalid_token"');
      assert.equal(response.json.error.message, 'Invalid authentication token');
    }
    const { response } = run([], 'control', { config });
    assert.equal(response.headers?.status, 401);
    assert.equal(response.headers?.get('www-authenticate'), 'Bearer realm="control-plane"');
    assert.equal(response.json.error.message, 'Missing or invalid Authorization header');
  });

  it('lets the role user read and nothing else', () => {
    for (const [method, status] of [
      ['GET', undefined],
      ['HEAD', undefined],
      ['POST', 403],
      ['PUT', 403],
      ['PATCH', 403],
      ['DELETE', 403],
    ] as const) {
      const { response } = run(['x-api-key', 'user-key'], 'control', { config, method });
      assert.equal(response.headers?.status, status, method);
      if (status === 403) assert.match(response.json.error.message, /^Admin role required/);
    }
  });

  it('does not open inference with them, nor let them go on to a worker', () => {
    assert.equal(run(['x-api-key', 'a:b:c'], 'data', { config }).response.headers?.status, 401);
    const open = run(['x-api-key', 'a:b:c', 'authorization', 'Bearer own'], 'data', { config: { admin } });
    assert.deepEqual(passedOn(open), ['Bearer own'], 'without keys of clients inference is open');
    assert.equal(open.streamInfo.principal, undefined);
  });

  it('takes a key of both planes for what it is asked for', () => {
    const both = { api_key: 'one', admin: { keys: [{ id: 'ops', role: 'admin', key: 'one' }] } };
    assert.equal(run(['x-api-key', 'one'], 'control', { config: both }).response.headers, undefined);
    assert.equal(run(['x-api-key', 'one'], 'data', { config: both }).streamInfo.principal?.tenant, 'default');
  });

  it('writes every call down with who, what and what became of it', () => {
    const path = `/workers/a\u0007b\u2028${'x'.repeat(2000)}?api_key=MARKED`;
    const harness = run(['x-api-key', 'a:b:c'], 'control', { config, method: 'DELETE', path });
    assert.deepEqual(lines, [], 'not before it has ended');
    harness.streamInfo.status = 202; // what the connection's own sink does
    harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(202), true);
    const record = JSON.parse(lines.join('')) as Record<string, string>;
    const { level, target, msg, principal, auth_method, role, method, outcome, status, resource } = record;
    assert.deepEqual(
      { level, target, msg, principal, auth_method, role, method, outcome, status, resource },
      {
        level: 'info',
        target: 'smg::audit',
        msg: 'control_plane_audit',
        principal: 'Ops Team',
        auth_method: 'api_key:ops',
        role: 'admin',
        method: 'DELETE',
        outcome: 'success',
        status: 202,
        resource: '/workers/*',
      },
    );
    assert.equal(record.path?.length, 1024);
    assert.ok(record.path?.startsWith('/workers/abxxx'));
    assert.doesNotMatch(lines.join(''), /MARKED|a:b:c/);
  });

  it('writes down who was not let in, and why', () => {
    const denied = (sent: string[], settings: unknown = config): unknown[] => {
      run(sent, 'control', { config: settings });
      const record = JSON.parse(lines.join('')) as Record<string, unknown>;
      return [record.level, record.principal, record.auth_method, record.outcome, record.details];
    };
    assert.deepEqual(denied([]), ['warn', 'anonymous', 'none', 'denied', 'auth_missing_key']);
    assert.deepEqual(denied(['x-api-key', 'no']), ['warn', 'anonymous', 'none', 'denied', 'auth_invalid_key']);
    const user = ['warn', 'look', 'api_key:look', 'denied', 'auth_not_admin'];
    assert.deepEqual(denied(['x-api-key', 'user-key']), user);
    const tenant = ['warn', 'anonymous', 'none', 'denied', 'auth_invalid_key'];
    assert.deepEqual(denied(['x-api-key', 'red-key'], CONFIG), tenant);
  });

  it('writes nothing of other requests, nor when told so', () => {
    run(['x-api-key', 'red-key'], 'data', { config });
    assert.deepEqual(lines, []);
    run(['x-api-key', 'a:b:c'], 'control', { config: { ...config, admin: { ...admin, audit: false } } });
    assert.deepEqual(lines, []);
  });
});

describe('auth: config', () => {
  it('is left out when there is no key', () => {
    assert.equal(create({}), undefined);
    assert.equal(create({ tenants: [], admin: { audit: false } }), undefined);
  });

  it('refuses what cannot work, by path and without showing the key', () => {
    const admin = (...keys: object[]): object => ({ admin: { keys: keys.map((key) => ({ role: 'admin', ...key })) } });
    const cases: [unknown, string, RegExp][] = [
      [{ api_key: ' MARKED' }, 'api_key', /space/],
      [{ api_key: '' }, 'api_key', /empty/],
      [{ api_key: '   ' }, 'api_key', /empty/],
      [{ api_key: 'MARKED ü' }, 'api_key', /ASCII/],
      [{ tenants: [{ id: 'a', key: '' }] }, 'tenants.0.key', /empty/],
      [{ tenants: [{ id: '', key: 'x' }] }, 'tenants.0.id', /characters/],
      [{ tenants: [{ id: ' a', key: 'x' }] }, 'tenants.0.id', /space/],
      [{ tenants: [{ id: 'a\n', key: 'x' }] }, 'tenants.0.id', /control/],
      [{ api_key: 'MARKED', tenants: [{ id: 'a', key: 'MARKED' }] }, 'tenants.0.key', /the shared api_key/],
      [{ tenants: [{ id: 'a', key: 'MARKED' }], keys: [{ id: 'b', key: 'MARKED' }] }, 'keys.0.key', /tenant "a"/],
      [admin({ id: 'a', key: 'MARKED' }, { id: 'b', key: 'MARKED' }), 'admin.keys.1.key', /administrator "a"/],
      [admin({ id: 'a', key: 'x' }, { id: 'a', key: 'MARKED' }), 'admin.keys.1.id', /twice/],
      [admin({ id: 'a', key: 'x', role: 'root' }), 'admin.keys.0.role', /admin/],
      [{ keys: [{ id: 'a', key: 'x', role: 'admin' }] }, 'keys.0', /role/],
      [{ apikey: 'x' }, '', /apikey/],
    ];
    for (const [config, path, message] of cases) {
      const issue = configSchema.safeParse(config).error?.issues[0];
      assert.equal(issue?.path.join('.'), path, JSON.stringify(config));
      assert.match(issue?.message ?? '', message);
      assert.doesNotMatch(issue?.message ?? '', /MARKED/);
    }
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const example = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '');
  assert.deepEqual(configSchema.parse(example.auth).admin.keys[0]?.role, 'admin');
});
