import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiscoveredWorker } from '../../../core/api/index.js';
import { FakeClock } from '../../../core/testing/fake-clock.js';
import { advanceUntil, ContractLifetime, RecordingSink, testDiscoveryContract } from '../discovery-contract.js';
import { TestDnsServer, type TestRecord } from './dns-server.fixture.js';
import factory from './factory.js';
import { createResolver, lookUp } from './lookup.js';

const NAME = 'workers.example.test';

for (const type of ['a', 'srv'] as const) {
  testDiscoveryContract(`dns (${type})`, async () => {
    const server = await TestDnsServer.start();
    return {
      serve: async (addresses) => {
        server.failure = undefined;
        server.zone.clear();
        const records = addresses.map((address, index): TestRecord => {
          const [ip, port] = address.split(':') as [string, string];
          if (type === 'a') return { type: 'A', address: ip };
          server.zone.set(`w${index}.test`, [{ type: 'A', address: ip }]);
          return { type: 'SRV', target: `w${index}.test`, port: Number(port) };
        });
        if (records.length > 0) server.zone.set(NAME, records);
      },
      fail: async () => {
        server.failure = 'servfail';
      },
      create: (lifetime, clock) => {
        const settings = { name: NAME, type, resolver: server.address, ...(type === 'a' ? { port: 9001 } : {}) };
        return factory.create(factory.configSchema.parse(settings), lifetime, clock);
      },
      close: () => server.close(),
    };
  });
}

describe('what DNS records mean', () => {
  let server: TestDnsServer;
  before(async () => {
    server = await TestDnsServer.start();
  });
  beforeEach(() => {
    server.zone.clear();
    server.failure = undefined;
    server.broken.clear();
    server.questions.length = 0;
  });
  after(() => server.close());

  const ask = async (settings: object): Promise<readonly DiscoveredWorker[]> => {
    const config = factory.configSchema.parse({ resolver: server.address, ...settings });
    return (await lookUp(createResolver(config), config)).workers;
  };
  const urls = (workers: readonly DiscoveredWorker[]): string[] => workers.map(({ url }) => url);

  it('auto asks for A, and for AAAA only where there is none', async () => {
    server.zone.set('both.test', [
      { type: 'A', address: '10.0.0.2' },
      { type: 'A', address: '10.0.0.1' },
      { type: 'AAAA', address: 'fd00::1' },
    ]);
    server.zone.set('six.test', [{ type: 'AAAA', address: 'fd00::a:1' }]);
    assert.deepEqual(urls(await ask({ name: 'both.test', port: 8000 })), ['10.0.0.1:8000', '10.0.0.2:8000']);
    assert.deepEqual(server.questions, ['A both.test']);
    assert.deepEqual(urls(await ask({ name: 'six.test.', port: 8000, scheme: 'https' })), ['https://[fd00::a:1]:8000']);
    assert.deepEqual(urls(await ask({ name: 'both.test', port: 1, type: 'aaaa' })), ['[fd00::1]:1']);
    assert.deepEqual(urls(await ask({ name: 'six.test', port: 1, type: 'a' })), []);
    assert.deepEqual(urls(await ask({ name: 'gone.test', port: 1 })), []);
  });

  it('SRV records give ports, weights and priorities', async () => {
    server.zone.set('_http._tcp.pool.test', [
      { type: 'SRV', target: 'b.test', port: 8002, priority: 10, weight: 0 },
      { type: 'SRV', target: 'A.test.', port: 8001, priority: 0, weight: 60 },
      { type: 'SRV', target: 'a.test', port: 8003, priority: 0, weight: 0 },
      { type: 'SRV', target: 'c.test', port: 8001, priority: 10, weight: 0 },
    ]);
    server.zone.set('a.test', [
      { type: 'A', address: '10.0.0.1' },
      { type: 'A', address: '10.0.0.2' },
    ]);
    server.zone.set('b.test', [{ type: 'AAAA', address: 'fd00::b' }]);
    assert.deepEqual(await ask({ name: '_http._tcp.pool.test' }), [
      { url: '10.0.0.1:8001', id: 'a.test:8001', priority: 65_535, weight: 60 },
      { url: '10.0.0.2:8001', id: 'a.test:8001', priority: 65_535, weight: 60 },
      { url: '10.0.0.1:8003', id: 'a.test:8003', priority: 65_535, weight: 0.6 },
      { url: '10.0.0.2:8003', id: 'a.test:8003', priority: 65_535, weight: 0.6 },
      { url: '[fd00::b]:8002', id: 'b.test:8002', priority: 65_525, weight: 1 },
    ]);
    server.zone.set('_none._tcp.pool.test', [{ type: 'SRV', target: '.', port: 0 }]);
    assert.deepEqual(await ask({ name: '_none._tcp.pool.test' }), []);
  });

  it('half an answer is none', async () => {
    server.failure = 'refused';
    await assert.rejects(ask({ name: 'any.test', port: 1 }), { code: 'EREFUSED' });
    server.failure = 'servfail';
    await assert.rejects(ask({ name: '_x._tcp.any.test' }), { code: 'ESERVFAIL' });
    server.failure = undefined;
    const targets = ['a.test', 'b.test'];
    server.zone.set(
      '_x._tcp.any.test',
      targets.map((target) => ({ type: 'SRV', target, port: 1 })),
    );
    for (const target of targets) server.zone.set(target, [{ type: 'A', address: '10.0.0.1' }]);
    server.broken.add('b.test');
    await assert.rejects(ask({ name: '_x._tcp.any.test' }), { code: 'ESERVFAIL', hostname: 'b.test' });
  });

  it('is asked for again when the TTL is over, after 5 s at the soonest and `refresh` at the latest', async () => {
    const clock = new FakeClock();
    const sink = new RecordingSink();
    const lifetime = new ContractLifetime();
    const answer = (ttl: number): void => void server.zone.set(NAME, [{ type: 'A', address: '10.0.0.1', ttl }]);
    /** Moves the clock to one ms before `ms`, and over it: the round falls exactly there. */
    const roundAfter = async (ms: number): Promise<void> => {
      const { count } = sink;
      assert.equal(clock.pendingTimers, 1);
      clock.advance(ms - 1);
      assert.equal(clock.pendingTimers, 1);
      clock.advance(1);
      assert.equal(clock.pendingTimers, 0);
      for (let i = 0; i < 1_000 && (sink.count === count || clock.pendingTimers === 0); i++) await sleep(2);
    };
    answer(12);
    const settings = { name: NAME, port: 1, resolver: server.address };
    (await factory.create(factory.configSchema.parse(settings), lifetime, clock)).start(sink);
    for (let i = 0; i < 1_000 && clock.pendingTimers === 0; i++) await sleep(2);
    answer(0);
    await roundAfter(12_000);
    answer(3_600);
    await roundAfter(5_000);
    // Nothing is told of a name that does not exist.
    server.zone.delete(NAME);
    await roundAfter(30_000);
    await roundAfter(30_000);
    assert.deepEqual([sink.lists.length, sink.errors.length], [5, 0]);
    await lifetime.dispose();
  });

  it('a failure is asked again sooner than the next round, an end cancels an open question', async () => {
    server.failure = 'refused';
    const clock = new FakeClock();
    const sink = new RecordingSink();
    const lifetime = new ContractLifetime();
    const settings = { name: NAME, port: 1, resolver: server.address, refresh: '1h' };
    (await factory.create(factory.configSchema.parse(settings), lifetime, clock)).start(sink);
    await advanceUntil(clock, () => sink.errors.length >= 2);
    assert.deepEqual(sink.errors[0], { reason: 'refused', message: `${NAME}: EREFUSED` });
    server.failure = 'silent';
    const { count } = sink;
    clock.advance(3_600_000);
    await lifetime.dispose();
    assert.deepEqual([sink.count, clock.pendingTimers], [count, 0]);
  });
});

it('the settings are checked', () => {
  const cases: [object, RegExp][] = [
    [{}, /name/],
    [{ name: 'a b', port: 1 }, /is not a DNS name/],
    [{ name: '10.0.0.1', port: 1 }, /is an address/],
    [{ name: 'a.test' }, /port[\s\S]*is needed|is needed[\s\S]*port/],
    [{ name: '_a._tcp.test', port: 1 }, /bring their own/],
    [{ name: 'a.test', type: 'srv', port: 1 }, /bring their own/],
    [{ name: 'a.test', port: 0 }, /port/],
    [{ name: 'a.test', port: 1, resolver: 'dns.test' }, /is not an IP address/],
    [{ name: 'a.test', port: 1, resolver: '1.1.1.1:99999' }, /is not an IP address/],
    [{ name: 'a.test', port: 1, refresh: '1ms' }, /must be at least 1s/],
    [{ name: 'a.test', port: 1, refesh: '1s' }, /refesh/],
  ];
  for (const [settings, message] of cases) {
    const result = factory.configSchema.safeParse(settings);
    assert.match(JSON.stringify(result.error?.issues), message, JSON.stringify(settings));
  }
  for (const resolver of ['127.0.0.1', '127.0.0.1:53', '[::1]:53', '::1', undefined]) {
    assert.equal(factory.configSchema.safeParse({ name: 'a.test', port: 1, resolver }).success, true, resolver);
  }
  const { refresh, grace, type } = factory.configSchema.parse({ name: 'a.test', port: 1 });
  assert.deepEqual([refresh, grace, type], [30_000, 30_000, 'auto']);
});
