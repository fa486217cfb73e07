import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FakeClock } from '../testing/fake-clock.js';
import { ProbeLimiter } from './detection/probe-limiter.js';
import { HealthChecker } from './health-checker.js';
import { type Asked, reply, ScriptedClient } from './scripted-client.fixture.js';
import { ManagedWorker } from './worker.js';
import type { WorkerObserver } from './worker-observer.js';
import { createWorkerSpec } from './worker-spec.fixture.js';
import { DEFAULT_HEALTH_CHECK, type WorkerSpec } from './worker-spec.js';

let clock: FakeClock;
let client: ScriptedClient;
let checker: HealthChecker;
let changes: string[];
let worker: ManagedWorker;

const observer: WorkerObserver = {
  onWorkerOutcome: (subject, ok) => checker.onOutcome(subject, ok),
  onWorkerIdle: () => {},
  onWorkerChange: (subject, change) => {
    if (change !== 'reason') changes.push(change === 'health' ? subject.health : change);
  },
};

beforeEach(() => {
  clock = new FakeClock();
  client = new ScriptedClient();
  checker = new HealthChecker({ client, clock, random: () => 0.5 });
  changes = [];
});

afterEach(() => {
  checker.stop(worker);
  assert.equal(clock.pendingTimers, 0);
});

function start(change: Partial<WorkerSpec> = {}, health: Partial<WorkerSpec['health']> = {}): void {
  worker = new ManagedWorker(
    createWorkerSpec({ url: 'http://worker/base', health: { ...DEFAULT_HEALTH_CHECK, ...health }, ...change }),
    observer,
    undefined,
  );
  checker.start(worker);
}

/** Lets promises settle: a probe takes a handful of turns. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function advance(ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}

test('the first probe runs at once and opens the worker; a failing one backs off', async () => {
  client.answers = { '/base/health': 503 };
  start();
  await settle();
  assert.equal(worker.health, 'pending');
  assert.equal(worker.healthReason, 'health: status 503');
  assert.equal(client.asked.length, 1);
  await advance(199);
  assert.equal(client.asked.length, 1);
  client.answers = { '/base/health': 200 };
  await advance(1);
  assert.equal(worker.health, 'healthy');
  assert.equal(worker.healthReason, '');
  assert.deepEqual(changes, ['healthy']);
});

test('probes never overlap, and one that hangs is not a success', async () => {
  start();
  await advance(60_000);
  assert.equal(client.asked.length, 1);
  reply((client.asked[0] as Asked).handler, 0);
  await settle();
  assert.equal(worker.healthReason, 'health: connect refused');
  await advance(200);
  assert.equal(client.asked.length, 2);
});

test('unhealthy after three failed probes, healthy after two good ones', async () => {
  client.answers = { '/base/health': 200 };
  start();
  await settle();
  client.answers = { '/base/health': 0 };
  await advance(5_500);
  await advance(1_000);
  assert.equal(worker.health, 'healthy');
  await advance(1_000);
  assert.equal(worker.health, 'unhealthy');
  client.answers = { '/base/health': 200 };
  await advance(1_000);
  assert.equal(worker.health, 'unhealthy');
  await advance(1_000);
  assert.equal(worker.health, 'healthy');
  assert.deepEqual(changes, ['healthy', 'unhealthy', 'healthy']);
});

test('failing requests bring a probe forward and shorten the way out', async () => {
  client.answers = { '/base/health': 200 };
  start();
  await settle();
  await advance(1_000);
  client.answers = { '/base/health': 0 };
  worker.recordOutcome('failure', 0);
  await settle();
  assert.equal(client.asked.length, 2, 'a probe at once');
  assert.equal(worker.health, 'healthy');
  worker.recordOutcome('failure', 0);
  worker.recordOutcome('failure', 0);
  await settle();
  assert.equal(client.asked.length, 2, 'but not one a request');
  await advance(250);
  assert.equal(client.asked.length, 3);
  assert.equal(worker.health, 'unhealthy');
});

test('a failing request while a probe runs asks for another one after it', async () => {
  client.answers = { '/base/health': 200 };
  start();
  await settle();
  client.answers = {};
  await advance(5_500);
  worker.recordOutcome('failure', 0);
  assert.equal(client.asked.length, 2);
  reply((client.asked[1] as Asked).handler, 200);
  await settle();
  await advance(250);
  assert.equal(client.asked.length, 3);
});

test('models and runtime are known before the worker opens', async () => {
  client.answers = {
    '/base/health': 200,
    '/base/version': '{}',
    '/base/server_info': 404,
    '/base/get_server_info': 404,
  };
  start({ models: [], runtime: undefined, labels: { zone: 'a' } });
  await settle();
  assert.equal(worker.health, 'pending');
  const list = { data: [{ id: 'a', owned_by: 'me', max_model_len: 4096 }, { id: 'b' }, { id: 7 }, 'x', { id: 'a' }] };
  reply((client.asked[1] as Asked).handler, JSON.stringify(list));
  await settle();
  assert.deepEqual(worker.models, ['a', 'b']);
  assert.equal(worker.runtime, 'vllm');
  assert.deepEqual(worker.labels, { served_model_name: 'a', max_model_len: '4096', zone: 'a' });
  assert.deepEqual(changes, ['models', 'healthy']);
  assert.deepEqual(client.paths(), [
    '/base/health',
    '/base/v1/models',
    '/base/version',
    '/base/server_info',
    '/base/get_server_info',
  ]);
});

test('a worker that cannot tell its models stays pending, says why and is asked again, later and later', async () => {
  client.answers = { '/base/health': 200, '/base/v1/models': 'not json' };
  start({ models: [] });
  await settle();
  assert.equal(worker.health, 'pending');
  assert.equal(worker.available, false);
  assert.equal(worker.healthReason, 'models: invalid JSON');
  for (const [pauseMs, answer, reason] of [
    [1_000, 401, 'models: status 401'],
    [2_000, 0, 'models: connect refused'],
    [4_000, '{"data":[]}', undefined],
  ] as const) {
    client.answers = { '/base/health': 200, '/base/v1/models': answer, '/base/version': 404 };
    await advance(pauseMs - 1);
    assert.notEqual(worker.healthReason, reason);
    await advance(1);
    if (reason !== undefined) assert.equal(worker.healthReason, reason);
  }
  assert.equal(worker.health, 'healthy', 'its engine is stated: without a list it takes any model');
  assert.equal(worker.healthReason, '');
});

test('one whose engine is not stated either never opens on a guess, and the pauses are bounded', async () => {
  client.answers = { '/base/health': 200, '/base/v1/models': 500 };
  start({ models: [], runtime: undefined });
  await settle();
  for (let i = 0; i < 20; i += 1) await advance(60_000);
  assert.equal(worker.health, 'pending');
  assert.ok(client.paths().filter((path) => path === '/base/v1/models').length >= 16);
  for (let i = 0; i < 20; i += 1) await advance(60_000);
  assert.equal(worker.health, 'failed', 'not made out within its start-up time, though it answers');
  client.answers = {
    '/base/health': 200,
    '/base/v1/models': '{"data":[{"id":"m","owned_by":"vllm"}]}',
    '/base/version': '{}',
  };
  await advance(60_000);
  assert.equal(worker.health, 'healthy');
});

test('a worker that was made out once is what it was while it cannot be asked', async () => {
  client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"m"}]}', '/base/version': '{}' };
  start({ models: [] }, { unhealthyAfter: 1, healthyAfter: 1 });
  await settle();
  client.answers = { '/base/health': 0 };
  await advance(5_500);
  assert.equal(worker.health, 'unhealthy');
  client.answers = { '/base/health': 200, '/base/v1/models': 503 };
  await advance(1_000);
  assert.equal(worker.health, 'healthy');
  assert.deepEqual(worker.models, ['m']);
  assert.equal(worker.healthReason, 'models: status 503');
});

test('what an outdated spec led to is dropped, and the new one is followed at once', async () => {
  client.answers = { '/base/health': 200 };
  start({ models: [] });
  await settle();
  const outdated = client.asked.at(-1) as Asked;
  assert.equal(outdated.request.headers.path, '/base/v1/models');
  worker.applySpec({ ...worker.spec(), apiKey: 'new' });
  checker.update(worker);
  assert.equal(outdated.aborted, true);
  reply(outdated.handler, '{"data":[{"id":"old"}]}');
  client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"new"}]}', '/base/version': 404 };
  await settle();
  await advance(0);
  assert.deepEqual(worker.models, ['new']);
  assert.equal(client.asked.at(-1)?.request.headers.get('authorization'), 'Bearer new');
  assert.deepEqual(changes, ['settings', 'models', 'healthy']);
});

test('a worker whose models are no longer stated is out until it has told them', async () => {
  client.answers = { '/base/health': 200 };
  start();
  await settle();
  assert.equal(worker.available, true);
  worker.applySpec({ ...worker.spec(), models: [] });
  checker.update(worker);
  assert.equal(worker.available, false);
  await settle();
  reply((client.asked.at(-1) as Asked).handler, '{"data":[{"id":"asked"}]}');
  client.answers = { '/base/version': 404 };
  await settle();
  reply((client.asked.at(-1) as Asked).handler, 404);
  await settle();
  assert.equal(worker.available, true);
  assert.deepEqual(worker.models, ['asked']);
});

test('a round waits for its place, and a worker that is stopped leaves the queue', async () => {
  const limiter = new ProbeLimiter(clock, { maxRunning: 1, maxRecovering: 1 });
  checker = new HealthChecker({ client, clock, random: () => 0.5, limiter });
  let release = (): void => {};
  limiter.enter('keeping', (place) => {
    release = () => place.release();
  });
  start();
  await settle();
  assert.equal(client.asked.length, 0);
  assert.equal(limiter.waiting, 1);
  checker.stop(worker);
  assert.equal(limiter.waiting, 0);
  client.answers = { '/base/health': 200 };
  start();
  release();
  await settle();
  assert.equal(worker.health, 'healthy');
  assert.equal(limiter.running, 0);
});

test('the models are asked for again when a worker comes back', async () => {
  client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"old"}]}', '/base/version': 404 };
  start({ models: [] }, { unhealthyAfter: 1, healthyAfter: 1 });
  await settle();
  client.answers = { '/base/health': 0 };
  await advance(5_500);
  assert.equal(worker.health, 'unhealthy');
  client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"new"}]}', '/base/version': 404 };
  await advance(1_000);
  assert.equal(worker.health, 'healthy');
  assert.deepEqual(worker.models, ['new']);
});

test('a base URL that ends in /v1 does not double it', async () => {
  client.answers = { '/health': 200, '/v1/models': '{"data":[{"id":"m"}]}', '/version': '{"version":"1"}' };
  start({ url: 'http://worker/v1', models: [] });
  await settle();
  assert.deepEqual(client.paths(), ['/health', '/v1/models', '/version']);
  assert.deepEqual(worker.models, ['m']);
});

test("the worker's key goes with every probe", async () => {
  client.answers = { '/base/health': 200 };
  start({ apiKey: 'k' });
  await settle();
  assert.equal(client.asked[0]?.request.headers.get('authorization'), 'Bearer k');
});

test('without checks a worker is healthy from the start; a provider without a key is not even asked', async () => {
  start({ runtime: 'external', models: [] }, { enabled: false });
  assert.equal(worker.health, 'healthy');
  await advance(120_000);
  assert.equal(client.asked.length, 0);
});

test('without checks an engine opens once it was made out, not as one that takes any model', async () => {
  client.answers = { '/base/v1/models': 0 };
  start({ runtime: undefined, models: [] }, { enabled: false });
  assert.equal(worker.health, 'pending');
  await settle();
  assert.equal(worker.health, 'pending');
  assert.equal(worker.healthReason, 'models: connect refused');
  client.answers = { '/base/v1/models': '{"data":[{"id":"m","owned_by":"vllm"}]}', '/base/version': '{"version":"1"}' };
  await advance(1_000);
  assert.deepEqual([worker.health, worker.runtime, worker.models], ['healthy', 'vllm', ['m']]);
  assert.equal(worker.healthReason, '');
  await advance(120_000);
  assert.equal(client.asked.length, 3, 'that was all');
});

test('without checks an engine whose models are no longer stated is pending until it has told them', async () => {
  start({ runtime: 'sglang', models: ['stated'] }, { enabled: false });
  assert.equal(worker.health, 'healthy');
  worker.applySpec({ ...worker.spec(), models: [] });
  checker.update(worker);
  assert.equal(worker.health, 'pending');
  client.answers = {
    '/base/v1/models': '{"data":[{"id":"told"}]}',
    '/base/server_info': '{}',
    '/base/model_info': '{}',
  };
  await advance(0);
  assert.equal(worker.health, 'pending', 'the question is on its way');
  await advance(1_000);
  assert.deepEqual([worker.health, worker.models], ['healthy', ['told']]);
});

test('a provider with a key opens with the list of its models, which is refreshed; what was stated needs no list', async () => {
  client.answers = { '/base/v1/models': '{"data":[]}' };
  start({ runtime: 'external', models: [], apiKey: 'k' }, { enabled: false });
  await settle();
  assert.equal(worker.health, 'pending');
  assert.equal(worker.healthReason, 'models: none listed');
  client.answers = { '/base/v1/models': '{"data":[{"id":"gpt"}]}' };
  await advance(1_000);
  assert.equal(worker.health, 'healthy');
  assert.deepEqual(worker.models, ['gpt']);
  worker.recordOutcome('failure', 0);
  await advance(599_000);
  assert.equal(client.asked.length, 2);
  client.answers = { '/base/v1/models': '{"data":[{"id":"gpt"},{"id":"gpt-2"}]}' };
  await advance(1_000);
  assert.deepEqual(worker.models, ['gpt', 'gpt-2']);
  client.answers = { '/base/v1/models': 500 };
  await advance(600_000);
  assert.deepEqual(worker.models, ['gpt', 'gpt-2'], 'a list that cannot be had changes nothing');
  assert.equal(worker.health, 'healthy');
  checker.stop(worker);

  start({ runtime: 'external', models: ['mine'], apiKey: 'k' }, { enabled: false });
  assert.equal(worker.health, 'healthy');
  await settle();
  assert.equal(client.asked.length, 4);
});

test('each provider gets the key in its own header', async () => {
  for (const [url, expected] of [
    ['https://api.openai.com', { authorization: 'Bearer k' }],
    ['https://api.anthropic.com', { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }],
    ['https://generativelanguage.googleapis.com', { 'x-goog-api-key': 'k' }],
    ['https://gateway.example', { authorization: 'Bearer k' }],
  ] as const) {
    start({ url, runtime: 'external', models: [], apiKey: 'k' }, { enabled: false });
    const { headers } = (client.asked.at(-1) as Asked).request;
    for (const name of ['authorization', 'x-api-key', 'anthropic-version', 'x-goog-api-key']) {
      assert.equal(headers.get(name), (expected as Record<string, string>)[name], `${name} for ${url}`);
    }
    checker.stop(worker);
  }
});

test('a worker that does not come up in time has failed, says why, and is tried on', async () => {
  client.answers = { '/base/health': 503 };
  start({ startup: { timeoutMs: 10_000, delayMs: 0, checkEveryMs: 4_000 } });
  await settle();
  for (let i = 0; i < 9; i += 1) await advance(1_000);
  assert.equal(worker.health, 'pending');
  await advance(1_000);
  assert.deepEqual([worker.health, worker.healthReason], ['failed', 'health: status 503']);
  assert.equal(worker.available, false);
  const { length } = client.asked;
  await advance(9_000);
  assert.equal(client.asked.length, length, 'at the pace of health checks');
  client.answers = { '/base/health': 200 };
  await advance(1_000);
  assert.equal(worker.health, 'healthy', 'with its first good probe');
  assert.deepEqual(changes, ['failed', 'healthy']);
});

test('the first check of a new worker waits for its delay, and its time begins then', async () => {
  client.answers = { '/base/health': 503 };
  worker = new ManagedWorker(
    createWorkerSpec({ url: 'http://worker/base', startup: { timeoutMs: 1_000, delayMs: 60_000, checkEveryMs: 100 } }),
    observer,
    undefined,
  );
  checker.start(worker, 60_000);
  checker.probeSoon(worker);
  worker.applySpec({ ...worker.spec(), apiKey: 'new' });
  checker.update(worker);
  await advance(59_900);
  assert.deepEqual([client.asked.length, worker.health], [0, 'pending']);
  assert.equal(worker.healthReason, 'startup: first check after 1m');
  await advance(100);
  assert.equal(client.asked[0]?.request.headers.get('authorization'), 'Bearer new');
  assert.equal(worker.health, 'pending');
  for (let i = 0; i < 10; i += 1) await advance(100);
  assert.equal(worker.health, 'failed');
});

test('without probes a delayed worker opens after its delay', async () => {
  const health = { ...DEFAULT_HEALTH_CHECK, enabled: false };
  worker = new ManagedWorker(createWorkerSpec({ url: 'http://worker/base', health }), observer, undefined);
  checker.start(worker, 5_000);
  await advance(4_900);
  assert.equal(worker.health, 'pending');
  await advance(100);
  assert.deepEqual([worker.health, worker.healthReason], ['healthy', '']);
});

test('other settings, or beginning anew, give a failed worker its whole time again', async () => {
  client.answers = { '/base/health': 503 };
  start({ startup: { timeoutMs: 1_000, delayMs: 0, checkEveryMs: 500 } });
  for (let i = 0; i < 4; i += 1) await advance(500);
  assert.equal(worker.health, 'failed');
  worker.applySpec({ ...worker.spec(), startup: { timeoutMs: 60_000, delayMs: 0, checkEveryMs: 500 } });
  checker.update(worker);
  assert.equal(worker.health, 'pending');
  for (let i = 0; i < 40; i += 1) await advance(500);
  assert.equal(worker.health, 'pending');
  for (let i = 0; i < 90; i += 1) await advance(500);
  assert.equal(worker.health, 'failed');
  checker.start(worker);
  assert.equal(worker.health, 'pending');
});

test('one that was up fails for good when it stays down, and needs as many good probes as before', async () => {
  client.answers = { '/base/health': 200 };
  start({}, { intervalMs: 1_000, unhealthyAfter: 2, healthyAfter: 2 });
  await settle();
  client.answers = { '/base/health': 0 };
  for (let i = 0; i < 80; i += 1) await advance(100);
  assert.equal(worker.health, 'failed');
  client.answers = { '/base/health': 200 };
  await advance(1_000);
  assert.equal(worker.health, 'failed');
  await advance(1_000);
  assert.equal(worker.health, 'healthy');
  assert.deepEqual(changes, ['healthy', 'unhealthy', 'failed', 'healthy']);
});

test('stopping aborts the probe under way, and nothing follows', async () => {
  start();
  checker.stop(worker);
  await settle();
  assert.equal(client.asked[0]?.aborted, true);
  await advance(60_000);
  assert.equal(client.asked.length, 1);
  assert.equal(worker.health, 'pending');
});

test('new settings apply at once; switching checks off opens the worker', async () => {
  client.answers = { '/base/health': 503, '/base/live': 200 };
  start();
  await settle();
  worker.applySpec({ ...worker.spec(), health: { ...DEFAULT_HEALTH_CHECK, path: '/live' } });
  checker.update(worker);
  await settle();
  assert.equal(worker.health, 'healthy');
  assert.equal(client.paths().at(-1), '/base/live');

  client.answers = { '/base/live': 0 };
  for (let i = 0; i < 5; i += 1) await advance(6_000);
  assert.equal(worker.health, 'unhealthy');
  worker.applySpec({ ...worker.spec(), health: { ...DEFAULT_HEALTH_CHECK, enabled: false } });
  checker.update(worker);
  assert.equal(worker.health, 'healthy');
});

test('a worker that was well before its checks began anew is not given up for one failed probe', async () => {
  client.answers = { '/base/health': 200 };
  start();
  await settle();
  assert.equal(worker.health, 'healthy');
  client.answers = { '/base/health': 503 };
  checker.start(worker);
  await settle();
  assert.equal(worker.health, 'healthy');
  assert.equal(worker.healthReason, 'health: status 503');
});

test('a worker that is not probed any more shows no reason of an old probe', async () => {
  client.answers = { '/base/health': 503 };
  start();
  await settle();
  assert.notEqual(worker.healthReason, '');
  worker.applySpec({ ...worker.spec(), health: { ...worker.spec().health, enabled: false } });
  checker.update(worker);
  await settle();
  assert.deepEqual([worker.health, worker.healthReason], ['healthy', '']);
});
