import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { HealthBench, settle } from './health-bench.fixture.js';
import { type Asked, reply } from './scripted-client.fixture.js';

let bench: HealthBench;

beforeEach(() => {
  bench = new HealthBench();
});

afterEach(() => bench.close());

test('models and runtime are known before the worker opens', async () => {
  bench.client.answers = {
    '/base/health': 200,
    '/base/version': '{}',
    '/base/server_info': 404,
    '/base/get_server_info': 404,
  };
  bench.start({ models: [], runtime: undefined, labels: { zone: 'a' } });
  await settle();
  assert.equal(bench.worker.health, 'pending');
  const list = { data: [{ id: 'a', owned_by: 'me', max_model_len: 4096 }, { id: 'b' }, { id: 7 }, 'x', { id: 'a' }] };
  reply((bench.client.asked[1] as Asked).handler, JSON.stringify(list));
  await settle();
  assert.deepEqual(bench.worker.models, ['a', 'b']);
  assert.equal(bench.worker.runtime, 'vllm');
  assert.deepEqual(bench.worker.labels, { served_model_name: 'a', max_model_len: '4096', zone: 'a' });
  assert.deepEqual(bench.changes, ['models', 'healthy']);
  assert.deepEqual(bench.client.paths(), [
    '/base/health',
    '/base/v1/models',
    '/base/version',
    '/base/server_info',
    '/base/get_server_info',
  ]);
});

test('a worker that cannot tell its models stays pending, says why and is asked again, later and later', async () => {
  bench.client.answers = { '/base/health': 200, '/base/v1/models': 'not json' };
  bench.start({ models: [] });
  await settle();
  assert.equal(bench.worker.health, 'pending');
  assert.equal(bench.worker.available, false);
  assert.equal(bench.worker.healthReason, 'models: invalid JSON');
  for (const [pauseMs, answer, reason] of [
    [1_000, 401, 'models: status 401'],
    [2_000, 0, 'models: connect refused'],
    [4_000, '{"data":[]}', undefined],
  ] as const) {
    bench.client.answers = { '/base/health': 200, '/base/v1/models': answer, '/base/version': 404 };
    await bench.advance(pauseMs - 1);
    assert.notEqual(bench.worker.healthReason, reason);
    await bench.advance(1);
    if (reason !== undefined) assert.equal(bench.worker.healthReason, reason);
  }
  assert.equal(bench.worker.health, 'healthy', 'its engine is stated: without a list it takes any model');
  assert.equal(bench.worker.healthReason, '');
});

test('one whose engine is not stated either never opens on a guess, and the pauses are bounded', async () => {
  bench.client.answers = { '/base/health': 200, '/base/v1/models': 500 };
  bench.start({ models: [], runtime: undefined });
  await settle();
  for (let i = 0; i < 20; i += 1) await bench.advance(60_000);
  assert.equal(bench.worker.health, 'pending');
  assert.ok(bench.client.paths().filter((path) => path === '/base/v1/models').length >= 16);
  for (let i = 0; i < 20; i += 1) await bench.advance(60_000);
  assert.equal(bench.worker.health, 'failed', 'not made out within its start-up time, though it answers');
  bench.client.answers = {
    '/base/health': 200,
    '/base/v1/models': '{"data":[{"id":"m","owned_by":"vllm"}]}',
    '/base/version': '{}',
  };
  await bench.advance(60_000);
  assert.equal(bench.worker.health, 'healthy');
});

test('a worker that was made out once is what it was while it cannot be asked', async () => {
  bench.client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"m"}]}', '/base/version': '{}' };
  bench.start({ models: [] }, { unhealthyAfter: 1, healthyAfter: 1 });
  await settle();
  bench.client.answers = { '/base/health': 0 };
  await bench.advance(5_500);
  assert.equal(bench.worker.health, 'unhealthy');
  bench.client.answers = { '/base/health': 200, '/base/v1/models': 503 };
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy');
  assert.deepEqual(bench.worker.models, ['m']);
  assert.equal(bench.worker.healthReason, 'models: status 503');
});

test('what an outdated spec led to is dropped, and the new one is followed at once', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start({ models: [] });
  await settle();
  const outdated = bench.client.asked.at(-1) as Asked;
  assert.equal(outdated.request.headers.path, '/base/v1/models');
  bench.worker.applySpec({ ...bench.worker.spec(), apiKey: 'new' });
  bench.checker.update(bench.worker);
  assert.equal(outdated.aborted, true);
  reply(outdated.handler, '{"data":[{"id":"old"}]}');
  bench.client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"new"}]}', '/base/version': 404 };
  await settle();
  await bench.advance(0);
  assert.deepEqual(bench.worker.models, ['new']);
  assert.equal(bench.client.asked.at(-1)?.request.headers.get('authorization'), 'Bearer new');
  assert.deepEqual(bench.changes, ['settings', 'models', 'healthy']);
});

test('a worker whose models are no longer stated is out until it has told them', async () => {
  bench.client.answers = { '/base/health': 200 };
  bench.start();
  await settle();
  assert.equal(bench.worker.available, true);
  bench.worker.applySpec({ ...bench.worker.spec(), models: [] });
  bench.checker.update(bench.worker);
  assert.equal(bench.worker.available, false);
  await settle();
  reply((bench.client.asked.at(-1) as Asked).handler, '{"data":[{"id":"asked"}]}');
  bench.client.answers = { '/base/version': 404 };
  await settle();
  reply((bench.client.asked.at(-1) as Asked).handler, 404);
  await settle();
  assert.equal(bench.worker.available, true);
  assert.deepEqual(bench.worker.models, ['asked']);
});

test('the models are asked for again when a worker comes back', async () => {
  bench.client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"old"}]}', '/base/version': 404 };
  bench.start({ models: [] }, { unhealthyAfter: 1, healthyAfter: 1 });
  await settle();
  bench.client.answers = { '/base/health': 0 };
  await bench.advance(5_500);
  assert.equal(bench.worker.health, 'unhealthy');
  bench.client.answers = { '/base/health': 200, '/base/v1/models': '{"data":[{"id":"new"}]}', '/base/version': 404 };
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy');
  assert.deepEqual(bench.worker.models, ['new']);
});

test('a base URL that ends in /v1 does not double it', async () => {
  bench.client.answers = { '/health': 200, '/v1/models': '{"data":[{"id":"m"}]}', '/version': '{"version":"1"}' };
  bench.start({ url: 'http://worker/v1', models: [] });
  await settle();
  assert.deepEqual(bench.client.paths(), ['/health', '/v1/models', '/version']);
  assert.deepEqual(bench.worker.models, ['m']);
});

test('without checks an engine opens once it was made out, not as one that takes any model', async () => {
  bench.client.answers = { '/base/v1/models': 0 };
  bench.start({ runtime: undefined, models: [] }, { enabled: false });
  assert.equal(bench.worker.health, 'pending');
  await settle();
  assert.equal(bench.worker.health, 'pending');
  assert.equal(bench.worker.healthReason, 'models: connect refused');
  bench.client.answers = {
    '/base/v1/models': '{"data":[{"id":"m","owned_by":"vllm"}]}',
    '/base/version': '{"version":"1"}',
  };
  await bench.advance(1_000);
  assert.deepEqual([bench.worker.health, bench.worker.runtime, bench.worker.models], ['healthy', 'vllm', ['m']]);
  assert.equal(bench.worker.healthReason, '');
  await bench.advance(120_000);
  assert.equal(bench.client.asked.length, 3, 'that was all');
});

test('without checks an engine whose models are no longer stated is pending until it has told them', async () => {
  bench.start({ runtime: 'sglang', models: ['stated'] }, { enabled: false });
  assert.equal(bench.worker.health, 'healthy');
  bench.worker.applySpec({ ...bench.worker.spec(), models: [] });
  bench.checker.update(bench.worker);
  assert.equal(bench.worker.health, 'pending');
  bench.client.answers = {
    '/base/v1/models': '{"data":[{"id":"told"}]}',
    '/base/server_info': '{}',
    '/base/model_info': '{}',
  };
  await bench.advance(0);
  assert.equal(bench.worker.health, 'pending', 'the question is on its way');
  await bench.advance(1_000);
  assert.deepEqual([bench.worker.health, bench.worker.models], ['healthy', ['told']]);
});

test('a provider with a key opens with the list of its models, which is refreshed; what was stated needs no list', async () => {
  bench.client.answers = { '/base/v1/models': '{"data":[]}' };
  bench.start({ runtime: 'external', models: [], apiKey: 'k' }, { enabled: false });
  await settle();
  assert.equal(bench.worker.health, 'pending');
  assert.equal(bench.worker.healthReason, 'models: none listed');
  bench.client.answers = { '/base/v1/models': '{"data":[{"id":"gpt"}]}' };
  await bench.advance(1_000);
  assert.equal(bench.worker.health, 'healthy');
  assert.deepEqual(bench.worker.models, ['gpt']);
  bench.worker.recordOutcome('failure', 0);
  await bench.advance(599_000);
  assert.equal(bench.client.asked.length, 2);
  bench.client.answers = { '/base/v1/models': '{"data":[{"id":"gpt"},{"id":"gpt-2"}]}' };
  await bench.advance(1_000);
  assert.deepEqual(bench.worker.models, ['gpt', 'gpt-2']);
  bench.client.answers = { '/base/v1/models': 500 };
  await bench.advance(600_000);
  assert.deepEqual(bench.worker.models, ['gpt', 'gpt-2'], 'a list that cannot be had changes nothing');
  assert.equal(bench.worker.health, 'healthy');
  bench.checker.stop(bench.worker);

  bench.start({ runtime: 'external', models: ['mine'], apiKey: 'k' }, { enabled: false });
  assert.equal(bench.worker.health, 'healthy');
  await settle();
  assert.equal(bench.client.asked.length, 4);
});

test('each provider gets the key in its own header', async () => {
  for (const [url, expected] of [
    ['https://api.openai.com', { authorization: 'Bearer k' }],
    ['https://api.anthropic.com', { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }],
    ['https://generativelanguage.googleapis.com', { 'x-goog-api-key': 'k' }],
    ['https://gateway.example', { authorization: 'Bearer k' }],
  ] as const) {
    bench.start({ url, runtime: 'external', models: [], apiKey: 'k' }, { enabled: false });
    const { headers } = (bench.client.asked.at(-1) as Asked).request;
    for (const name of ['authorization', 'x-api-key', 'anthropic-version', 'x-goog-api-key']) {
      assert.equal(headers.get(name), (expected as Record<string, string>)[name], `${name} for ${url}`);
    }
    bench.checker.stop(bench.worker);
  }
});
