import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { createTestAuthority } from '../core/testing/test-certificates.js';
import { isLoopback } from './listener.js';
import { canonicalYaml } from './print.js';
import { errorsOf, loadText } from './testing/load-text.js';

const authority = createTestAuthority();
const one = authority.issue();
const other = authority.issue();
const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
}).privateKey;
const broken = one.cert.replace(/^M.*$/m, 'MIIB'.repeat(16));
const env = {
  CERT: one.cert,
  KEY: one.key,
  OTHER: other.key,
  ENCRYPTED: encrypted,
  BROKEN: broken,
  BROKEN_KEY: one.key.replace(/^M.*$/m, 'MIIB'.repeat(16)),
  CA: authority.cert,
  TWO: authority.cert + one.cert,
  OLD: authority.issue({ days: -1 }).cert,
};

describe('tls of listeners', () => {
  it('takes a pair that fits, and authorities of clients as text or list', async () => {
    const text = 'listeners: [{ tls: { cert: $CERT, key: $KEY, client_ca: $TWO, client_auth: request } }]';
    const { config } = await loadText(text, { env });
    assert.deepEqual(config.listeners[0]?.tls?.client_ca, [env.TWO]);
    assert.equal(config.listeners[0]?.tls?.client_auth, 'request');
    const lists = 'admin: { listener: { tls: { cert: $CERT, key: $KEY, client_ca: [$CA, $TWO] } } }';
    assert.equal((await loadText(lists, { env })).config.admin.listener?.tls?.client_ca?.length, 2);
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['{ cert: $CERT, key: $OTHER }', /tls\.key: does not belong to the certificate beside it/],
    ['{ cert: $BROKEN, key: $KEY }', /tls\.cert: holds a certificate that cannot be read/],
    ['{ cert: $KEY, key: $KEY }', /tls\.cert: is not a PEM certificate/],
    ['{ cert: $CERT, key: $CERT }', /tls\.key: is not a PEM private key/],
    ['{ cert: $CERT, key: $ENCRYPTED }', /tls\.key: is encrypted/],
    ['{ cert: $CERT, key: $BROKEN_KEY }', /tls\.key: is a private key that cannot be read/],
    ['{ cert: $CERT }', /tls\.key: is required/],
    ['{ cert: $CERT, key: $KEY, client_auth: require }', /tls\.client_auth: needs client_ca beside it/],
    ['{ cert: $CERT, key: $KEY, client_ca: [] }', /tls\.client_ca: must not be empty/],
    ['{ cert: $CERT, key: $KEY, client_ca: nonsense }', /tls\.client_ca: is not a PEM certificate/],
    ['{ cert: $CERT, key: $KEY, client_ca: $CA, client_auth: maybe }', /"maybe" is not one of require, request/],
  ];
  for (const [tls, message] of wrong) {
    it(`refuses ${tls}, without showing a key`, async () => {
      const errors = await errorsOf(`listeners: [{ tls: ${tls} }]`, { env });
      assert.match(errors, message);
      assert.doesNotMatch(errors, /BEGIN|MIG|MHc/);
    });
  }
});

describe('tls towards workers', () => {
  it('takes what it needs and hides the key', async () => {
    const tls = '{ ca: $CA, cert: $CERT, key: $KEY, server_name: engine.internal }';
    const loaded = await loadText(`clusters: [{ workers: [https://a:1], tls: ${tls} }]`, { env });
    const config = loaded.config.clusters[0]?.tls;
    assert.deepEqual([config?.ca, config?.server_name, config?.verify], [[env.CA], 'engine.internal', true]);
    assert.doesNotMatch(canonicalYaml(loaded) + JSON.stringify(config), /PRIVATE/);
    assert.doesNotMatch(loaded.warnings.join(), /tls/);
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['{ cert: $CERT }', /tls\.cert: needs key beside it: both or neither/],
    ['{ key: $KEY }', /tls\.key: needs cert beside it: both or neither/],
    ['{ cert: $CERT, key: $OTHER }', /tls\.key: does not belong/],
    ['{ ca: "" }', /tls\.ca: is not a PEM certificate/],
    ['{ ca: [] }', /tls\.ca: must not be empty/],
    ['{ server_name: "a b" }', /tls\.server_name: is not a host name/],
    ['{ verify: maybe }', /tls\.verify: must be true or false/],
    ['{ insecure: true }', /tls\.insecure: unknown key/],
  ];
  for (const [tls, message] of wrong) {
    it(`refuses ${tls}`, async () => {
      assert.match(await errorsOf(`clusters: [{ workers: [https://a:1], tls: ${tls} }]`, { env }), message);
    });
  }

  it('is no place for clear text, but among SMG defaults', async () => {
    const text = 'clusters: [{ workers: [https://a:1, http://b:1], tls: { ca: $CA } }]';
    assert.match(await errorsOf(text, { env }), /workers\[1\]: is clear text, but its cluster has tls/);
    const { warnings } = await loadText(`defaults: smg\n${text}`, { env });
    assert.match(warnings.join('\n'), /tls, which does nothing for its http:\/\/ workers/);
  });
});

describe('warnings about access', () => {
  const warningsOf = async (text: string): Promise<string> =>
    (await loadText(`${text}\nclusters: [http://a:1]`, { env })).warnings.join('\n');

  it('name certificates that have ended and checks that are off', async () => {
    const tls = 'tls: { ca: $CA, verify: false }';
    const { warnings } = await loadText(`clusters: [{ name: c, workers: [https://a:1], ${tls} }]`, { env });
    assert.match(warnings.join('\n'), /^SECURITY: cluster "c" takes any certificate: tls\.verify is false$/m);
    const expired = createTestAuthority().issue({ days: -1 });
    const old = { env: { CERT: expired.cert, KEY: expired.key } };
    const listener = await loadText('listeners: [{ tls: { cert: $CERT, key: $KEY } }]\nclusters: [http://a:1]', old);
    assert.match(listener.warnings.join('\n'), /^listener "main": a certificate ended on /m);
  });

  it('say that administration is open, or refused, where others can reach it', async () => {
    const shut =
      /^administration endpoints \(\/workers\) on listener "main" at 0\.0\.0\.0 answer 403.*admin\.listener/m;
    assert.match(await warningsOf(''), shut);
    assert.match(await warningsOf('listeners: [{ host: "::" }]'), /at :: answer 403/);
    const loud = /^SECURITY: .* on listener "main" at 0\.0\.0\.0 are open to everybody.*auth\.admin\.keys/m;
    assert.match(await warningsOf('defaults: smg'), loud);
    assert.match(
      await warningsOf('admin: { listener: { host: 10.0.0.1 } }'),
      /on listener "admin" at 10\.0\.0\.1 answer 403/,
    );
    for (const quiet of [
      'listeners: [{ host: 127.0.0.1 }]',
      'listeners: [{ host: localhost }]',
      'auth: { api_key: abcdef }',
      'defaults: smg\nauth: { api_key: abcdef }',
      'admin: { listener: { port: 0 } }',
    ]) {
      assert.doesNotMatch(await warningsOf(quiet), /administration/, quiet);
    }
  });
});

it('loopback is what only this machine can reach', () => {
  for (const address of ['127.0.0.1', '127.255.0.9', '::1', 'localhost', 'LOCALHOST', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(address), true, address);
  }
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.evil.example',
    'localhost.example',
    '::2',
    '',
    '1270.0.0.1',
  ]) {
    assert.equal(isLoopback(address), false, address);
  }
});

describe('admin.workers.allow_networks', () => {
  it('takes networks and addresses, and tells an empty list from none', async () => {
    const networks = async (text: string): Promise<unknown> =>
      (await loadText(text)).config.admin.workers.allow_networks;
    assert.equal(await networks(''), undefined);
    assert.deepEqual(await networks('admin: { workers: { allow_networks: [] } }'), []);
    const list = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7', '::1', '0.0.0.0/0'];
    assert.deepEqual(await networks(`admin: { workers: { allow_networks: ${JSON.stringify(list)} } }`), list);
  });

  it('refuses what is no network', async () => {
    for (const wrong of ['10.0.0.0/33', 'fd00::/129', '10.0.0', 'worker.internal', '10.0.0.0/-1', '', '/8']) {
      const errors = await errorsOf(`admin: { workers: { allow_networks: ["${wrong}"] } }`);
      assert.match(errors, /allow_networks\[0\]: .*is not a network like 10\.0\.0\.0\/8/, wrong);
    }
  });
});
