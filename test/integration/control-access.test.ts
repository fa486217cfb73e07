import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

const gateways: GatewayFixture[] = [];
after(async () => {
  for (const gateway of gateways) await gateway.close();
});

const CLUSTER = 'clusters: [{ name: c, engine: { type: sim, config: { models: [m], ttft: 0, itl: 0 } } }]';
/** Bound where others could reach it; spoken to over loopback. */
const EVERYWHERE = 'listeners: [{ name: main, host: 0.0.0.0, port: 0 }]';

async function start(text: string): Promise<GatewayFixture> {
  const gateway = await startGateway(`${text}\n${CLUSTER}`);
  gateways.push(gateway);
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly challenge: string | null;
}

async function call(base: string, method: string, path: string, key?: string): Promise<Answer> {
  const isChat = path.includes('chat');
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(isChat && { 'content-type': 'application/json' }),
    },
    ...(isChat && { body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }) }),
  });
  return {
    status: response.status,
    text: await response.text(),
    challenge: response.headers.get('www-authenticate'),
  };
}

const statusOf = async (...args: Parameters<typeof call>): Promise<number> => (await call(...args)).status;
const chat = (gateway: GatewayFixture, key?: string): Promise<number> =>
  statusOf(gateway.url, 'POST', '/v1/chat/completions', key);
const workers = (gateway: GatewayFixture, key?: string): Promise<number> =>
  statusOf(gateway.url, 'GET', '/workers', key);

describe('keys of the data plane', () => {
  it('none: everything is open on loopback', async () => {
    const gateway = await start('');
    assert.deepEqual([await chat(gateway), await workers(gateway), await workers(gateway, 'any')], [200, 200, 200]);
  });

  it('shared and tenants: inference takes both, administration the shared one, probes none', async () => {
    const gateway = await start('auth: { api_key: shared, tenants: [{ id: red, key: red-key }] }');
    const keys = [undefined, 'wrong', 'shared', 'red-key'];
    assert.deepEqual(await Promise.all(keys.map((key) => chat(gateway, key))), [401, 401, 200, 200]);
    assert.deepEqual(await Promise.all(keys.map((key) => workers(gateway, key))), [401, 401, 200, 401]);
    for (const path of ['/health', '/liveness', '/readiness']) {
      assert.equal(await statusOf(gateway.url, 'GET', path), 200);
    }
  });

  it('tenants only: administration stays shut, with and without a key', async () => {
    const gateway = await start('auth: { tenants: [{ id: red, key: red-key }] }');
    assert.deepEqual([await chat(gateway, 'red-key'), await chat(gateway)], [200, 401]);
    assert.deepEqual([await workers(gateway, 'red-key'), await workers(gateway)], [401, 401]);
  });
});

describe('keys of the control plane', () => {
  const AUTH = `auth:
  api_key: shared
  admin:
    keys:
      - { id: ops, name: Ops, role: admin, key: "ops:key" }
      - { id: look, role: user, key: look-key }`;

  it('replace the shared key on administration endpoints and are written down', async () => {
    const gateway = await start(AUTH);
    assert.equal(await chat(gateway, 'shared'), 200);
    assert.equal(await chat(gateway, 'ops:key'), 401);
    assert.deepEqual([await workers(gateway, 'ops:key'), await workers(gateway, 'look-key')], [200, 200]);
    const wrong = await call(gateway.url, 'GET', '/workers', 'shared');
    assert.equal(wrong.status, 401);
    assert.match(wrong.text, /Invalid authentication token/);
    assert.match(wrong.challenge ?? '', /^Bearer realm="control-plane"/);
    const records = gateway
      .logText()
      .split('\n')
      .filter((line) => line.includes('control_plane_audit'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map(({ principal, auth_method, method, path, outcome, status }) =>
        [principal, auth_method, method, path, outcome, status].join(' '),
      );
    assert.deepEqual(records, [
      'Ops api_key:ops GET /workers success 200',
      'look api_key:look GET /workers success 200',
      'anonymous none GET /workers denied 401',
    ]);
    assert.doesNotMatch(gateway.logText(), /ops:key|look-key/);
  });

  it('decide who may add a worker', async () => {
    const gateway = await start(AUTH);
    const add = async (key?: string): Promise<number> => {
      const response = await fetch(`${gateway.url}/workers`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key !== undefined && { 'x-api-key': key }) },
        body: '{"url":"http://127.0.0.1:1"}',
      });
      await response.text();
      return response.status;
    };
    const before = gateway.server.services.registry.list().length;
    assert.deepEqual([await add(), await add('shared'), await add('look-key')], [401, 401, 403]);
    assert.equal(gateway.server.services.registry.list().length, before);
    assert.equal(await add('ops:key'), 202);
    assert.equal(gateway.server.services.registry.list().length, before + 1);
    assert.match(gateway.logText(), /"principal":"look".*"method":"POST".*"outcome":"denied","status":403/);
    assert.match(gateway.logText(), /"principal":"Ops".*"method":"POST".*"outcome":"success","status":202/);
  });

  it('change with a reload: the old one stops, the new one works', async () => {
    const gateway = await start('auth: { admin: { keys: [{ id: a, role: admin, key: old }] } }');
    assert.deepEqual([await workers(gateway, 'old'), await workers(gateway, 'new')], [200, 401]);
    assert.equal(await chat(gateway), 200, 'clients need none');
    const both = '[{ id: a, role: admin, key: old }, { id: b, role: admin, key: new }]';
    assert.equal((await gateway.reload(`auth: { admin: { keys: ${both} } }\n${CLUSTER}`)).ok, true);
    assert.deepEqual([await workers(gateway, 'old'), await workers(gateway, 'new')], [200, 200]);
    await gateway.reload(`auth: { admin: { keys: [{ id: b, role: admin, key: new }] } }\n${CLUSTER}`);
    assert.deepEqual([await workers(gateway, 'old'), await workers(gateway, 'new')], [401, 200]);
  });
});

describe('administration on an address that others can reach', () => {
  it('is refused without a key, with the ways out; inference goes on', async () => {
    const gateway = await start(EVERYWHERE);
    for (const [method, path] of [
      ['GET', '/workers'],
      ['GET', '/workers/abc'],
      ['POST', '/workers'],
      ['PUT', '/workers'],
      ['DELETE', '/workers/abc'],
      ['HEAD', '/workers'],
    ] as const) {
      assert.equal(await statusOf(gateway.url, method, path), 403, `${method} ${path}`);
    }
    const { text } = await call(gateway.url, 'GET', '/workers', 'any');
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    assert.equal(error.code, 'permission_denied');
    assert.match(error.message, /auth\.admin\.keys.*admin\.listener/);
    assert.deepEqual([await chat(gateway), await statusOf(gateway.url, 'GET', '/health')], [200, 200]);
    assert.equal(await statusOf(gateway.url, 'GET', '/nothing'), 404);
    assert.match(gateway.logText(), /administration endpoints \(\/workers\) on listener \\"main\\" at 0\.0\.0\.0/);
  });

  it('opens as soon as a reload brings a key', async () => {
    const gateway = await start(EVERYWHERE);
    assert.equal(await workers(gateway, 'k'), 403);
    await gateway.reload(`auth: k\n${EVERYWHERE}\n${CLUSTER}`);
    assert.deepEqual([await workers(gateway, 'k'), await workers(gateway)], [200, 401]);
  });

  it('is open with SMG defaults, and says so loudly', async () => {
    const gateway = await start(`defaults: smg\n${EVERYWHERE}`);
    assert.equal(await workers(gateway), 200);
    assert.match(gateway.logText(), /SECURITY: administration endpoints/);
  });

  it('is not open where the key is asked for elsewhere only', async () => {
    const auth = '{ name: auth, config: { api_key: k }, match: { paths: ["/v1/*"] } }';
    const gateway = await start(`${EVERYWHERE}\nfilters: [{ preset: standard }, ${auth}]`);
    assert.deepEqual([await workers(gateway), await workers(gateway, 'k'), await chat(gateway)], [403, 403, 401]);
    const there = auth.replace('/v1/*', '/workers*');
    await gateway.reload(`${EVERYWHERE}\nfilters: [{ preset: standard }, ${there}]\n${CLUSTER}`);
    assert.deepEqual([await workers(gateway), await workers(gateway, 'k'), await chat(gateway)], [401, 200, 200]);
  });
});

describe('admin.listener', () => {
  it('has the administration endpoints and the probes; the other listeners lack the former', async () => {
    const gateway = await start(`${EVERYWHERE}\nadmin: { listener: { port: 0 } }`);
    const [main, admin] = gateway.server.addresses;
    assert.deepEqual([main?.name, admin?.name, admin?.host], ['main', 'admin', '127.0.0.1']);
    const adminUrl = `http://127.0.0.1:${admin?.port}`;
    assert.equal(await statusOf(adminUrl, 'GET', '/workers'), 200);
    assert.equal(await statusOf(adminUrl, 'GET', '/health'), 200);
    for (const path of ['/v1/chat/completions', '/v1/models']) {
      const method = path.endsWith('models') ? 'GET' : 'POST';
      assert.equal(await statusOf(adminUrl, method, path), 404, path);
    }
    for (const method of ['GET', 'PUT']) assert.equal(await statusOf(gateway.url, method, '/workers'), 404);
    assert.equal(await chat(gateway), 200);
    assert.doesNotMatch(gateway.logText(), /answer 403|SECURITY/);
  });

  it('asks for the keys too, comes and goes with reloads', async () => {
    const gateway = await start('auth: { admin: { keys: [{ id: a, role: admin, key: k }] } }');
    assert.equal(await workers(gateway, 'k'), 200);
    const withListener =
      'auth: { admin: { keys: [{ id: a, role: admin, key: k }] } }\nadmin: { listener: { port: 0 } }';
    await gateway.reload(`${withListener}\n${CLUSTER}`);
    const admin = `http://127.0.0.1:${gateway.server.addresses[1]?.port}`;
    assert.deepEqual([await statusOf(admin, 'GET', '/workers'), await workers(gateway, 'k')], [401, 404]);
    assert.equal(await statusOf(admin, 'GET', '/workers', 'k'), 200);
    await gateway.reload(CLUSTER);
    assert.equal(await workers(gateway), 200);
    await assert.rejects(fetch(`${admin}/workers`));
  });
});

describe('admin.workers.allow_networks', () => {
  const post = async (gateway: GatewayFixture, url: string): Promise<[number, string]> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${gateway.url}/workers`, { method: 'POST', headers, body: JSON.stringify({ url }) });
    return [response.status, await response.text()];
  };

  it('bounds where workers may be, also those that were kept over a restart', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'smg-access-'));
    const kept = `runtime: { state_dir: ${dir} }`;
    try {
      const first = await startGateway(`${CLUSTER}\n${kept}`);
      assert.equal((await post(first, 'http://127.0.0.2:1'))[0], 202);
      await first.close();
      const gateway = await start(`${kept}\nadmin: { workers: { allow_networks: [127.0.0.1, 10.0.0.0/8] } }`);
      const urls = gateway.server.services.registry.list().map(({ url }) => url);
      assert.ok(!urls.includes('http://127.0.0.2:1'));
      assert.match(gateway.logText(), /a worker that was kept is not restored/);
      const [status, text] = await post(gateway, 'http://127.0.0.2:1');
      assert.deepEqual([status, JSON.parse(text).code], [400, 'BAD_REQUEST']);
      assert.match(text, /url: 127\.0\.0\.2 is in none of the networks of admin\.workers\.allow_networks/);
      assert.equal((await post(gateway, 'http://localhost.invalid:1'))[0], 400);
      assert.equal((await post(gateway, 'http://127.0.0.1:1'))[0], 202);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
