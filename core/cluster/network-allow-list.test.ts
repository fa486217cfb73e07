import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NetworkAllowList } from './network-allow-list.js';

const NAMES: Record<string, readonly string[]> = {
  'inside.example': ['10.1.2.3'],
  'both.example': ['10.1.2.3', 'fd00::7'],
  'mixed.example': ['10.1.2.3', '192.168.0.1'],
  'mapped.example': ['::ffff:10.1.2.3'],
  'empty.example': [],
};

async function resolve(host: string): Promise<readonly string[]> {
  const addresses = NAMES[host];
  if (addresses === undefined) throw new Error('ENOTFOUND');
  return addresses;
}

const list = new NetworkAllowList(['10.0.0.0/8', 'fd00::/8', '203.0.113.7'], resolve);
const allows = async (url: string): Promise<boolean> => (await list.check(url)).allowed;

describe('NetworkAllowList', () => {
  it('allows addresses inside, in any spelling', async () => {
    for (const host of ['10.0.0.1', '10.255.255.255', '[fd00::1]', '203.0.113.7', '0x0a000001', '167772161', '10.1']) {
      assert.equal(await allows(`http://${host}:8000`), true, host);
    }
    assert.equal(await allows('grpc://10.0.0.1:50051'), true);
    assert.equal(await allows('http://[::ffff:10.0.0.1]:1'), true);
  });

  it('refuses everything else', async () => {
    for (const host of [
      '11.0.0.1',
      '127.0.0.1',
      '169.254.169.254',
      '203.0.113.8',
      '[::1]',
      '[fe80::1]',
      '[64:ff9b::a00:1]',
    ]) {
      assert.equal(await allows(`http://${host}:8000`), false, host);
    }
    assert.equal(await allows('http://[::ffff:11.0.0.1]:1'), false);
    for (const url of ['', 'nonsense', 'http://', 'ipc:///run/engine.sock'])
      assert.equal(await allows(url), false, url);
  });

  it('asks for every address of a name', async () => {
    assert.deepEqual(await list.check('https://both.example/v1'), {
      allowed: true,
      addresses: ['10.1.2.3', 'fd00::7'],
    });
    assert.equal(await allows('http://inside.example'), true);
    assert.equal(await allows('http://mapped.example'), true);
    const mixed = await list.check('http://mixed.example');
    assert.equal(mixed.allowed, false);
    assert.match((mixed as { reason: string }).reason, /^192\.168\.0\.1, an address of mixed\.example, is in none/);
  });

  it('refuses names that do not resolve', async () => {
    for (const host of ['unknown.example', 'empty.example']) {
      assert.deepEqual(await list.check(`http://${host}`), {
        allowed: false,
        reason: `the host ${host} does not resolve`,
      });
    }
  });

  it('allows nothing when it is empty, and resolves by the system otherwise', async () => {
    assert.equal((await new NetworkAllowList([]).check('http://127.0.0.1')).allowed, false);
    const loopback = new NetworkAllowList(['127.0.0.0/8', '::1']);
    assert.equal((await loopback.check('http://localhost:1')).allowed, true);
  });

  it('agrees with arithmetic on every IPv4 network', async () => {
    const ip = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    await fc.assert(
      fc.asyncProperty(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.integer({ min: 1, max: 32 }), async (a, b, bits) => {
        const mask = (0xffffffff << (32 - bits)) >>> 0;
        const verdict = await new NetworkAllowList([`${ip(a)}/${bits}`]).check(`http://${ip(b)}`);
        assert.equal(verdict.allowed, (a & mask) >>> 0 === (b & mask) >>> 0);
      }),
    );
  });
});
