import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestHeaders } from './headers.js';
import { addressKey, isNetwork, NetworkSet, plainAddress } from './ip-address.js';
import { StreamInfo } from './stream-info.js';
import { TenantIdentity } from './tenant-identity.js';

function tenantOf(
  settings: { header?: string; trustedProxies?: string[] },
  request: { peer?: string; key?: string; fields?: string[] },
): string {
  const identity = new TenantIdentity({ header: settings.header, trustedProxies: settings.trustedProxies ?? [] });
  const info = new StreamInfo('HTTP/1.1', request.peer ?? '192.0.2.1', 'main', 'POST', '/', 0);
  if (request.key !== undefined) info.principal = { tenant: request.key };
  return identity.tenantOf(info, new RequestHeaders('POST', '/', 'x', 'http', [...(request.fields ?? [])]));
}

describe('TenantIdentity', () => {
  const header = 'x-smg-tenant-id';
  const named = [header, ' acme '];

  it('takes key, header, address, in this order', () => {
    assert.equal(tenantOf({ header }, { key: 'red', fields: named }), 'auth:red');
    assert.equal(tenantOf({ header }, { fields: named }), 'header:acme');
    assert.equal(tenantOf({}, { fields: named }), 'ip:192.0.2.1');
    assert.equal(tenantOf({}, { peer: '' }), 'anonymous');
  });

  it('ignores a header that is blank, came twice or is too long', () => {
    for (const fields of [
      [header, '  '],
      [header, 'a', header, 'b'],
      [header, 'x'.repeat(257)],
    ]) {
      assert.equal(tenantOf({ header }, { fields }), 'ip:192.0.2.1');
    }
  });

  it('believes X-Forwarded-For only from trusted proxies, and from the right', () => {
    const trustedProxies = ['10.0.0.0/8', '192.0.2.1', 'fd00::/8'];
    const forwarded = (value: string, peer = '10.1.2.3'): string =>
      tenantOf({ trustedProxies }, { peer, fields: ['x-forwarded-for', value] });
    assert.equal(forwarded('203.0.113.9'), 'ip:203.0.113.9');
    assert.equal(forwarded('6.6.6.6, 203.0.113.9, 10.9.9.9'), 'ip:203.0.113.9');
    assert.equal(forwarded('203.0.113.9', '203.0.113.50'), 'ip:203.0.113.50');
    assert.equal(forwarded('10.0.0.1, 10.0.0.2'), 'ip:10.0.0.1');
    assert.equal(forwarded('203.0.113.9, nonsense, 10.0.0.2'), 'ip:10.0.0.2');
    assert.equal(forwarded('203.0.113.9:4711'), 'ip:203.0.113.9');
    assert.equal(forwarded('[2001:db8:1:2::9]:80'), 'ip:2001:db8:1:2::/64');
    assert.equal(forwarded(''), 'ip:10.1.2.3');
    assert.equal(forwarded('203.0.113.9', '::ffff:10.1.2.3'), 'ip:203.0.113.9');
    const two = tenantOf(
      { trustedProxies },
      { peer: 'fd00::1', fields: ['x-forwarded-for', '6.6.6.6', 'x-forwarded-for', '203.0.113.9'] },
    );
    assert.equal(two, 'ip:203.0.113.9');
  });
});

describe('addresses', () => {
  it('count by IPv4 address or IPv6 network', () => {
    for (const [text, key] of [
      ['192.0.2.1', '192.0.2.1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['2001:DB8::1', '2001:db8:0:0::/64'],
      ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
      ['2001:db8:0:1::', '2001:db8:0:1::/64'],
      ['::1', '0:0:0:0::/64'],
      ['fe80::1%eth0', 'fe80:0:0:0::/64'],
      ['1:2:3:4:5:6:7.8.9.10', '1:2:3:4::/64'],
      ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ]) {
      assert.equal(addressKey(plainAddress(text as string) as string), key, text);
    }
    for (const text of ['', 'localhost', '1.2.3', '1.2.3.4/8', '1:2'])
      assert.equal(plainAddress(text), undefined, text);
  });

  it('belong to networks', () => {
    const set = new NetworkSet(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7']);
    for (const address of ['10.255.0.1', '2001:db8:ffff::1', '192.0.2.7']) assert.ok(set.has(address));
    for (const address of ['11.0.0.1', '2001:db9::1', '192.0.2.8']) assert.equal(set.has(address), false);
    for (const text of ['10.0.0.0/8', '::/0', '1.2.3.4']) assert.ok(isNetwork(text), text);
    for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', 'x/8', '1.2.3.4/8/8', '1.2.3.4/-1']) {
      assert.equal(isNetwork(text), false, text);
    }
    assert.throws(() => new NetworkSet(['10.0.0.0/33']), RangeError);
  });
});
