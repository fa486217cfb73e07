import assert from 'node:assert/strict';
import net from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { Fleet } from './acceptance-fixture.js';

/** Workers that are used whatever their probes would say. */
function yaml(urls: readonly string[], resilience: string): string {
  const workers = urls.map((url) => `{ url: "${url}", models: [m], runtime: sglang }`).join(', ');
  return `
clusters: [{ policy: round_robin, health: off, workers: [${workers}] }]
resilience: { circuit_breaker: off, ${resilience} }
`;
}

describe('retries, end to end', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('one dead and one living worker, three attempts: every request is answered', async () => {
    const alive = await fleet.sim();
    await fleet.start(yaml([await fleet.deadUrl(), alive.url], 'retry: { attempts: 3 }'));
    assert.deepEqual(new Set(await fleet.statuses(10)), new Set([200]));
    assert.equal(alive.stats().received, 10);
  });

  it('off: the 500 of the worker passes through, in its own words', async () => {
    const broken = await fleet.sim({ fault: 'status=500' });
    await fleet.start(yaml([broken.url], 'retry: off'));
    const answer = await fleet.chat();
    assert.equal(answer.status, 500);
    const direct = await fetch(`${broken.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] }),
    });
    assert.deepEqual(answer.json, await direct.json());
  });

  it('two attempts on a failing fleet: the failure, after exactly two calls', async () => {
    const broken = [await fleet.sim({ fault: 'status=503' }), await fleet.sim({ fault: 'status=503' })];
    await fleet.start(yaml([broken[0]?.url ?? '', broken[1]?.url ?? ''], 'retry: { attempts: 2 }'));
    assert.equal((await fleet.chat()).status, 503);
    assert.deepEqual(
      broken.map((sim) => sim.stats().received),
      [1, 1],
    );
  });

  it('two attempts on a worker that hangs up: 502, after exactly two connections', async () => {
    let connections = 0;
    const server = net.createServer((socket) => {
      connections += 1;
      socket.on('error', () => {});
      socket.once('data', () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    try {
      await fleet.start(yaml([`http://127.0.0.1:${port}`], 'overload: off, retry: { attempts: 2 }'));
      const answer = await fleet.chat();
      assert.deepEqual([answer.status, answer.json.error.code], [502, 'upstream_reset']);
      assert.doesNotMatch(JSON.stringify(answer.json), new RegExp(String(port)), 'no address of a worker');
      assert.equal(connections, 2);
    } finally {
      server.close();
    }
  });

  it('a dead fleet: 502 that names no worker', async () => {
    const url = await fleet.deadUrl();
    await fleet.start(yaml([url], 'retry: { attempts: 2 }'));
    const answer = await fleet.chat();
    assert.deepEqual([answer.status, answer.json.error.code], [502, 'upstream_connect_failed']);
    assert.doesNotMatch(JSON.stringify(answer.json), new RegExp(new URL(url).port));
  });

  it('five attempts find the only healthy one of five', async () => {
    const broken = await Promise.all([1, 2, 3, 4].map(() => fleet.sim({ fault: 'status=503' })));
    const healthy = await fleet.sim();
    await fleet.start(yaml([...broken.map(({ url }) => url), healthy.url], 'retry: { attempts: 5 }'));
    assert.deepEqual(await fleet.statuses(5), [200, 200, 200, 200, 200]);
    assert.equal(healthy.stats().received, 5);
  });

  it('a 500 is tried once on every worker, and no more', async () => {
    const broken = await Promise.all([1, 2, 3].map(() => fleet.sim({ fault: 'status=500' })));
    await fleet.start(
      yaml(
        broken.map(({ url }) => url),
        'retry: { attempts: 5 }',
      ),
    );
    assert.equal((await fleet.chat()).status, 500);
    assert.deepEqual(
      broken.map((sim) => sim.stats().received),
      [1, 1, 1],
    );
  });
});
