import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { HealthBench, settle } from './health-bench.fixture.js';
import { type Asked, reply } from './scripted-client.fixture.js';
import { DEFAULT_HEALTH_CHECK } from './worker-spec.js';

let bench: HealthBench;

beforeEach(() => {
  bench = new HealthBench();
});

afterEach(() => bench.close());

test('the first probe runs at once and opens the worker; a failing one backs off', async () => {
  bench.client.answers = { '/base/health': 503 };
  bench.start();
  await settle();
  assert.equal(bench.worker.health, 'pending');
  assert.equal(bench.worker.healthReason, 'health: status 503');
  assert.equal(bench.client.asked.length, 1);
  await bench.advance(199);
  assert.equal(bench.client.asked.length, 1);
  bench.client.answers = { '/base/health': 200 };
  await bench.advance(1);
  assert.equal(bench.worker.health, 'healthy');
  assert.equal(bench.worker.healthReason, '');
  assert.deepEqual(bench.changes, ['healthy']);
});

test('probes never overlap, and one that hangs is not a success', async () => {
  bench.start();
  await bench.advance(60_000);
  assert.equal(bench.client.asked.length, 1);
  reply((bench.client.asked[0] as Asked).handler, 0);
  await settle();
  assert.equal(bench.worker.healthReason, 'health: connect refused');
  await bench.advance(200);
  assert.equal(bench.client.asked.length, 2);
});

test('unhealthy after three failed probes, healthy after two good ones', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start();
  await settle();
  bench.client.answers = { '/base/health': 0 };
  await bench.advance(5_500);
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy');
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'unhealthy');
  bench.client.answers = { '/base/health': 200 };
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'unhealthy');
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy');
  assert.deepEqual(bench.changes, ['healthy', 'unhealthy', 'healthy']);
});

test('failing requests bring a probe forward and shorten the way out', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start();
  await settle();
  await bench.advance(1_000);
  bench.client.answers = { '/base/health': 0 };
  bench.worker.recordOutcome('failure', 0);
  await settle();
  assert.equal(bench.client.asked.length, 2, 'a probe at once');
  assert.equal(bench.worker.health, 'healthy');
  bench.worker.recordOutcome('failure', 0);
  bench.worker.recordOutcome('failure', 0);
  await settle();
  assert.equal(bench.client.asked.length, 2, 'but not one a request');
  await bench.advance(250);
  assert.equal(bench.client.asked.length, 3);
  assert.equal(bench.worker.health, 'unhealthy');
});

test('a failing request while a probe runs asks for another one after it', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start();
  await settle();
  bench.client.answers = {};
  await bench.advance(5_500);
  bench.worker.recordOutcome('failure', 0);
  assert.equal(bench.client.asked.length, 2);
  reply((bench.client.asked[1] as Asked).handler, 200);
  await settle();
  await bench.advance(250);
  assert.equal(bench.client.asked.length, 3);
});

test('a round waits for its place, and a worker that is stopped leaves the queue', async () => {
  bench = new HealthBench({ maxRunning: 1, maxRecovering: 1 });
  const { limiter } = bench;
  let release = (): void => {};
  limiter.enter('keeping', (place) => {
    release = () => place.release();
  });
  bench.start();
  await settle();
  assert.equal(bench.client.asked.length, 0);
  assert.equal(limiter.waiting, 1);
  bench.checker.stop(bench.worker);
  assert.equal(limiter.waiting, 0);
  bench.client.answers = { '/base/health': 200 };
  bench.start();
  release();
  await settle();
  assert.equal(bench.worker.health, 'healthy');
  assert.equal(limiter.running, 0);
});

test("the worker's key goes with every probe", async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start({ apiKey: 'k' });
  await settle();
  assert.equal(bench.client.asked[0]?.request.headers.get('authorization'), 'Bearer k');
});

test('without checks a worker is healthy from the start; a provider without a key is not even asked', async () => {
  bench.start({ runtime: 'external', models: [] }, { enabled: false });
  assert.equal(bench.worker.health, 'healthy');
  await bench.advance(120_000);
  assert.equal(bench.client.asked.length, 0);
});

test('a worker that does not come up in time has failed, says why, and is tried on', async () => {
  bench.client.answers = { '/base/health': 503 };
  bench.start({ startup: { timeoutMs: 10_000, delayMs: 0, checkEveryMs: 4_000 } });
  await settle();
  for (let i = 0; i < 9; i += 1) await bench.advance(1_000);
  assert.equal(bench.worker.health, 'pending');
  await bench.advance(1_000);
  assert.deepEqual([bench.worker.health, bench.worker.healthReason], ['failed', 'health: status 503']);
  assert.equal(bench.worker.available, false);
  const { length } = bench.client.asked;
  await bench.advance(9_000);
  assert.equal(bench.client.asked.length, length, 'at the pace of health checks');
  bench.client.answers = { '/base/health': 200 };
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy', 'with its first good probe');
  assert.deepEqual(bench.changes, ['failed', 'healthy']);
});

test('the first check of a new worker waits for its delay, and its time begins then', async () => {
  bench.client.answers = { '/base/health': 503 };
  bench.start({ startup: { timeoutMs: 1_000, delayMs: 60_000, checkEveryMs: 100 } }, {}, 60_000);
  bench.checker.probeSoon(bench.worker);
  bench.worker.applySpec({ ...bench.worker.spec(), apiKey: 'new' });
  bench.checker.update(bench.worker);
  await bench.advance(59_900);
  assert.deepEqual([bench.client.asked.length, bench.worker.health], [0, 'pending']);
  assert.equal(bench.worker.healthReason, 'startup: first check after 1m');
  await bench.advance(100);
  assert.equal(bench.client.asked[0]?.request.headers.get('authorization'), 'Bearer new');
  assert.equal(bench.worker.health, 'pending');
  for (let i = 0; i < 10; i += 1) await bench.advance(100);
  assert.equal(bench.worker.health, 'failed');
});

test('without probes a delayed worker opens after its delay', async () => {
  bench.start({}, { enabled: false }, 5_000);
  await bench.advance(4_900);
  assert.equal(bench.worker.health, 'pending');
  await bench.advance(100);
  assert.deepEqual([bench.worker.health, bench.worker.healthReason], ['healthy', '']);
});

test('other settings, or beginning anew, give a failed worker its whole time again', async () => {
  bench.client.answers = { '/base/health': 503 };
  bench.start({ startup: { timeoutMs: 1_000, delayMs: 0, checkEveryMs: 500 } });
  for (let i = 0; i < 4; i += 1) await bench.advance(500);
  assert.equal(bench.worker.health, 'failed');
  bench.worker.applySpec({ ...bench.worker.spec(), startup: { timeoutMs: 60_000, delayMs: 0, checkEveryMs: 500 } });
  bench.checker.update(bench.worker);
  assert.equal(bench.worker.health, 'pending');
  for (let i = 0; i < 40; i += 1) await bench.advance(500);
  assert.equal(bench.worker.health, 'pending');
  for (let i = 0; i < 90; i += 1) await bench.advance(500);
  assert.equal(bench.worker.health, 'failed');
  bench.checker.start(bench.worker);
  assert.equal(bench.worker.health, 'pending');
});

test('one that was up fails for good when it stays down, and needs as many good probes as before', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start({}, { intervalMs: 1_000, unhealthyAfter: 2, healthyAfter: 2 });
  await settle();
  bench.client.answers = { '/base/health': 0 };
  for (let i = 0; i < 80; i += 1) await bench.advance(100);
  assert.equal(bench.worker.health, 'failed');
  bench.client.answers = { '/base/health': 200 };
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'failed');
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy');
  assert.deepEqual(bench.changes, ['healthy', 'unhealthy', 'failed', 'healthy']);
});

test('stopping aborts the probe under way, and nothing follows', async () => {
  bench.start();
  bench.checker.stop(bench.worker);
  await settle();
  assert.equal(bench.client.asked[0]?.aborted, true);
  await bench.advance(60_000);
  assert.equal(bench.client.asked.length, 1);
  assert.equal(bench.worker.health, 'pending');
});

test('new settings apply at once; switching checks off opens the worker', async () => {
  bench.client.answers = { '/base/health': 503, '/base/live': 200 };
  bench.start();
  await settle();
  bench.worker.applySpec({ ...bench.worker.spec(), health: { ...DEFAULT_HEALTH_CHECK, path: '/live' } });
  bench.checker.update(bench.worker);
  await settle();
  assert.equal(bench.worker.health, 'healthy');
  assert.equal(bench.client.paths().at(-1), '/base/live');

  bench.client.answers = { '/base/live': 0 };
  for (let i = 0; i < 5; i += 1) await bench.advance(6_000);
  assert.equal(bench.worker.health, 'unhealthy');
  bench.worker.applySpec({ ...bench.worker.spec(), health: { ...DEFAULT_HEALTH_CHECK, enabled: false } });
  bench.checker.update(bench.worker);
  assert.equal(bench.worker.health, 'healthy');
});

test('a worker that was well before its checks began anew is not given up for one failed probe', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start();
  await settle();
  assert.equal(bench.worker.health, 'healthy');
  bench.client.answers = { '/base/health': 503 };
  bench.checker.start(bench.worker);
  await settle();
  assert.equal(bench.worker.health, 'healthy');
  assert.equal(bench.worker.healthReason, 'health: status 503');
});

test('a worker that is not probed any more shows no reason of an old probe', async () => {
  bench.client.answers = { '/base/health': 503 };
  bench.start();
  await settle();
  assert.notEqual(bench.worker.healthReason, '');
  bench.worker.applySpec({ ...bench.worker.spec(), health: { ...bench.worker.spec().health, enabled: false } });
  bench.checker.update(bench.worker);
  await settle();
  assert.deepEqual([bench.worker.health, bench.worker.healthReason], ['healthy', '']);
});
