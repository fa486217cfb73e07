import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  readonly json: any;
}

describe('/workers', () => {
  let sims: RunningSim[];
  let gateway: GatewayFixture | undefined;

  before(async () => {
    sims = await Promise.all(
      ['m1', 'm2'].map((model) => startTestSim({ models: [model], ttft: '1ms', itl: '1ms', output_tokens: '5' })),
    );
  });

  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
  });

  after(async () => {
    for (const sim of sims) await sim.close();
  });

  const urlOf = (index: number): string => (sims[index] as RunningSim).url;

  async function start(yaml = '', files?: Record<string, string>): Promise<GatewayFixture> {
    gateway = await startGateway(yaml, files === undefined ? {} : { files });
    return gateway;
  }

  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch((gateway as GatewayFixture).url + path, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: text.startsWith('{') ? JSON.parse(text) : text };
  }

  const chat = (model: string): Promise<Answer> =>
    call('POST', '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'hi' }] });

  it('walks through: start with none, add, list, serve, remove', async () => {
    await start();
    assert.equal((await call('GET', '/readiness')).status, 503);
    const added = await call('POST', '/workers', { url: urlOf(0) });
    assert.equal(added.status, 202);
    const id = added.json.worker_id;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.equal(added.headers.get('location'), `/workers/${id}`);
    assert.deepEqual(
      { ...added.json, job_id: undefined },
      {
        status: 'accepted',
        worker_id: id,
        url: urlOf(0),
        location: `/workers/${id}`,
        message: 'Worker addition queued for background processing',
        job_id: undefined,
      },
    );
    const full = {
      url: urlOf(1),
      api_key: 'sk-marked',
      runtime: 'sglang',
      worker_type: 'regular',
      priority: 50,
      cost: 1.0,
    };
    const second = await call('POST', '/workers?wait=true', { ...full, labels: { region: 'us-east' } });
    assert.equal(second.status, 200);
    assert.deepEqual(second.json.labels.region, 'us-east');
    assert.equal(second.json.status, 'ready');
    assert.equal(second.json.job_status, undefined);
    assert.doesNotMatch(JSON.stringify(second.json), /sk-marked/);
    const list = await call('GET', '/workers');
    assert.equal(list.json.total, 2);
    assert.equal(list.json.stats.regular_count, 2);
    assert.equal((await call('GET', '/health')).status, 200);
    for (const model of ['m1', 'm2']) assert.equal((await chat(model)).json.model, model);
    assert.equal((await call('GET', '/workers?model=m1')).json.total, 1);
    assert.equal((await call('GET', '/workers?model=none')).json.total, 0);
    assert.equal((await call('GET', '/workers?label=region=us-east&status=ready')).json.total, 1);
    const removed = await call('DELETE', `/workers/${id}`);
    assert.deepEqual([removed.status, removed.json.status], [202, 'accepted']);
    assert.equal((await call('GET', `/workers/${id}`)).status, 404);
    assert.equal((await call('GET', `/jobs/${removed.json.job_id}`)).json.status, 'succeeded');
    assert.equal((await chat('m1')).status, 404);
    assert.equal((await chat('m2')).status, 200);
  });

  it('refuses what it cannot do, naming the field, and reserves nothing', async () => {
    await start();
    const cases: [unknown, RegExp][] = [
      [{}, /url: /],
      ['{"url":', /JSON syntax error/],
      ['', /the body is empty/],
      [[], /must be an object/],
      [{ url: '' }, /url: must be a URL/],
      [{ url: 'worker:8000' }, /url: must be a URL that starts with http/],
      [{ url: 'HTTP://worker:8000' }, /url: must start with http:\/\/ or https:\/\/ in lower case/],
      [{ url: 'ftp://worker' }, /url: must start with/],
      [{ url: 'http://' }, /url: is not a valid URL/],
      [{ url: 'http://u:p@worker' }, /url: must hold no user name or password/],
      [{ url: 'grpc://worker:1' }, /url: workers behind grpc:\/\/ are not built yet/],
      [{ url: urlOf(0), worker_type: 'prefill' }, /worker_type: only regular/],
      [{ url: urlOf(0), priority: -1 }, /priority: /],
      [{ url: urlOf(0), cost: 0 }, /cost: /],
      [{ url: urlOf(0), labels: { a: 1 } }, /labels\.a: /],
      [{ url: urlOf(0), bootstrap_port: 1 }, /bootstrap_port: disaggregated/],
      [{ url: urlOf(0), health: { interval: 1 } }, /health\.interval: unknown field/],
      [{ url: urlOf(0), prioritty: 1 }, /prioritty: unknown field/],
      [{ url: urlOf(0), runtime: 'sglang', runtime_type: 'vllm' }, /runtime: differs/],
      [{ url: urlOf(0), cluster: 'nope' }, /cluster: there is no cluster "nope"; there are: default/],
    ];
    for (const [body, message] of cases) {
      const answer = await call('POST', '/workers', body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.equal(answer.json.code, 'BAD_REQUEST');
      assert.match(answer.json.error, message);
    }
    const untyped = await call('POST', '/workers', JSON.stringify({ url: urlOf(0) }), { 'content-type': 'text/plain' });
    assert.match(untyped.json.error, /Content-Type/);
    assert.equal((await call('GET', '/workers')).json.total, 0);
    assert.equal((await call('POST', '/workers', { url: urlOf(0) })).status, 202);
  });

  it('answers 409 for a live URL however it is spelt, 400 for a bad id, 404 for an unknown one', async () => {
    await start();
    const { json } = await call('POST', '/workers?wait=true', { url: urlOf(0) });
    const again = await call('POST', '/workers', { url: `${urlOf(0)}/` });
    assert.equal(again.status, 409);
    assert.equal(again.json.code, 'WORKER_ALREADY_EXISTS');
    assert.match(again.json.error, new RegExp(`${json.id}.*PUT.*PATCH`));
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const body = method === 'GET' || method === 'DELETE' ? undefined : { url: urlOf(0) };
      assert.equal((await call(method, '/workers/not-a-uuid', body)).json.code, 'BAD_REQUEST');
      const unknown = await call(method, '/workers/00000000-0000-4000-8000-000000000000', body);
      assert.deepEqual([unknown.status, unknown.json.code], [404, 'WORKER_NOT_FOUND']);
    }
  });

  it('adds workers of allowed networks only', async () => {
    await start('admin: { workers: { allow_networks: [10.0.0.0/8] } }');
    const answer = await call('POST', '/workers', { url: urlOf(0) });
    assert.equal(answer.status, 400);
    assert.match(answer.json.error, /url: 127\.0\.0\.1 is in none of the networks of admin\.workers\.allow_networks/);
    assert.equal((await call('GET', '/workers')).json.total, 0);
  });

  it('shows why a worker is pending, and keeps trying it', async () => {
    await start();
    const spare = await startTestSim({ models: ['late'] });
    const { url } = spare;
    await spare.close();
    const { json } = await call('POST', '/workers', { url });
    const pending = await call('GET', `/workers/${json.worker_id}`);
    assert.equal(pending.json.status, 'pending');
    assert.equal(pending.json.is_healthy, false);
    assert.equal(pending.json.job_status.job_type, 'AddWorker');
    assert.equal(pending.json.job_status.status, 'processing');
    assert.equal((await call('POST', '/workers', { url })).json.worker_id, json.worker_id);
    const back = await startTestSim({ models: ['late'], port: Number(new URL(url).port) });
    try {
      while ((await call('GET', `/workers/${json.worker_id}`)).json.status !== 'ready') {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal((await call('GET', `/workers/${json.worker_id}`)).json.job_status, undefined);
      assert.equal((await chat('late')).status, 200);
    } finally {
      await back.close();
    }
  });

  it('PUT replaces as a whole, PATCH changes and merges; the id stays, the worker stays in rotation', async () => {
    await start();
    const record = { url: urlOf(0), labels: { a: '1', b: '2' }, priority: 70, health: { failure_threshold: 9 } };
    const { json } = await call('POST', '/workers?wait=true', record);
    assert.equal(json.health.failure_threshold, 9);
    const path = `/workers/${json.id}`;
    const patched = await call('PATCH', path, { labels: { b: null, c: '3' }, cost: 2, api_key: 'sk-new' });
    assert.deepEqual([patched.status, patched.json.worker_id], [202, json.id]);
    const after = (await call('GET', path)).json;
    assert.deepEqual([after.labels.a, after.labels.b, after.labels.c], ['1', undefined, '3']);
    assert.deepEqual([after.cost, after.priority, after.has_api_key, after.status], [2, 70, true, 'ready']);
    assert.match((await call('PATCH', path, { url: 'x' })).json.error, /url: unknown field/);
    assert.equal((await call('PATCH', path, {})).status, 202);
    const moved = await call('PUT', path, { url: urlOf(1) });
    assert.deepEqual([moved.status, moved.json.code], [400, 'BAD_REQUEST']);
    assert.equal((await call('PUT', path, { url: urlOf(0), priority: 10 })).status, 202);
    const replaced = (await call('GET', path)).json;
    assert.deepEqual(
      [replaced.priority, replaced.cost, replaced.labels.a, replaced.has_api_key],
      [10, 1, undefined, false],
    );
    assert.equal(replaced.health, undefined);
    assert.equal((await chat('m1')).status, 200);
  });

  it('drains: nothing new, what runs may finish; force ends it', async () => {
    const slow = await startTestSim({ models: ['slow'], ttft: '1ms', itl: '20ms', output_tokens: '50' });
    try {
      const { url } = await start();
      const { json } = await call('POST', '/workers?wait=true', { url: slow.url });
      const stream = async (): Promise<string> => {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'slow', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
        });
        return response.text();
      };
      const first = stream();
      while ((await call('GET', `/workers/${json.id}`)).json.load === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal((await call('DELETE', `/workers/${json.id}`)).status, 202);
      const draining = (await call('GET', `/workers/${json.id}`)).json;
      assert.deepEqual([draining.status, draining.load, draining.job_status.job_type], ['draining', 1, 'RemoveWorker']);
      assert.equal((await call('DELETE', `/workers/${json.id}`)).status, 202, 'once more is no error');
      assert.notEqual((await chat('slow')).status, 200);
      assert.match(await first, /\[DONE\]/);
      assert.equal((await call('GET', `/workers/${json.id}`)).status, 404);

      await call('POST', '/workers?wait=true', { url: slow.url });
      const second = stream();
      while ((await call('GET', `/workers/${json.id}`)).json.load === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      const forced = await call('DELETE', `/workers/${json.id}?drain=force&wait=true`);
      assert.deepEqual([forced.status, forced.json.status], [200, 'removed']);
      const cut = await second;
      assert.match(cut, /upstream_reset|"error"/);
      assert.doesNotMatch(cut, /\[DONE\]/);
      assert.match((await call('DELETE', `/workers/${json.id}?drain=soon`)).json.error, /not found|drain/);
    } finally {
      await slow.close();
    }
  });

  it('changes and removes workers of the file, over reloads, until the file says something else of them', async () => {
    const yaml = (priority: number): string =>
      `clusters: [{ name: c, workers: [{ url: "${urlOf(0)}", models: [m1], priority: ${priority} }] }]`;
    const { reload } = await start(yaml(50));
    const { json } = await call('GET', '/workers');
    const [{ id }] = json.workers;
    await call('PATCH', `/workers/${id}`, { priority: 60, labels: { patched: 'yes' } });
    await reload(`${yaml(50)}\nmodels: { aliases: { x: m1 } }`);
    const kept = (await call('GET', `/workers/${id}`)).json;
    assert.deepEqual([kept.priority, kept.labels.patched], [60, 'yes']);
    await reload(yaml(55));
    assert.equal((await call('GET', `/workers/${id}`)).json.priority, 55, 'the file wins');
    assert.equal((await call('DELETE', `/workers/${id}`)).status, 202);
    assert.equal((await chat('m1')).status, 404);
    await reload(`${yaml(55)}\nmodels: { aliases: { x: m1 } }`);
    assert.equal((await chat('m1')).status, 404, 'still removed');
    assert.equal((await call('POST', '/workers?wait=true', { url: urlOf(0) })).json.source, 'api');
    assert.equal((await chat('m1')).status, 200);
    await reload(yaml(56));
    assert.equal((await call('GET', `/workers/${id}`)).json.priority, 56);
  });

  it('a URL is one worker: it is not added to a second cluster while it is in a first', async () => {
    await start('clusters: [{ name: a }, { name: b }]');
    await call('POST', '/workers?wait=true', { url: urlOf(0), cluster: 'a' });
    const first = (await call('GET', '/workers')).json.workers[0].id;
    const second = await call('POST', '/workers', { url: urlOf(0), cluster: 'b' });
    assert.deepEqual([second.status, second.json.code], [409, 'WORKER_ALREADY_EXISTS']);
    assert.equal((await call('GET', '/workers')).json.total, 1);
    assert.equal((await call('DELETE', `/workers/${first}?wait=true`)).json.status, 'removed');
    assert.equal((await call('POST', '/workers', { url: urlOf(0), cluster: 'b' })).status, 202);
  });

  it('lists a worker that drains because a reload took its cluster away', async () => {
    const slow = await startTestSim({ models: ['m'], ttft: '1ms', itl: '20ms', output_tokens: '50' });
    const { reload } = await start('clusters: [{ name: a }, { name: b }]');
    await call('POST', '/workers?wait=true', { url: slow.url, cluster: 'b' });
    const running = chat('m');
    const load = async (): Promise<number> => (await call('GET', '/workers')).json.workers[0]?.load;
    while ((await load()) !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
    await reload('clusters: [{ name: a }]');
    const list = await call('GET', '/workers');
    assert.equal(list.status, 200, JSON.stringify(list.json));
    assert.deepEqual([list.json.total, list.json.workers[0].status], [1, 'draining']);
    assert.equal((await running).status, 200);
    await slow.close();
  });

  it('keeps a worker in state_dir that is refused for now', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'smg-state-'));
    const yaml = `runtime: { state_dir: "${directory}" }`;
    const first = await start(yaml);
    await call('POST', '/workers', { url: urlOf(0) });
    await first.close();
    const second = await start(`${yaml}\nadmin: { workers: { allow_networks: [127.0.0.2] } }`);
    assert.equal((await call('GET', '/workers')).json.total, 0);
    await call('POST', '/workers', { url: 'http://127.0.0.2:9' });
    await second.close();
    await start(yaml);
    const urls = (await call('GET', '/workers')).json.workers.map(({ url }: { url: string }) => url);
    assert.deepEqual(urls.sort(), [urlOf(0), 'http://127.0.0.2:9'].sort());
    await rm(directory, { recursive: true });
  });

  it('a wait that cannot be read changes nothing', async () => {
    await start();
    assert.equal((await call('POST', '/workers?wait=soon', { url: urlOf(0) })).status, 400);
    assert.equal((await call('GET', '/workers')).json.total, 0);
    await call('POST', '/workers?wait=true', { url: urlOf(0) });
    const [{ id }] = (await call('GET', '/workers')).json.workers;
    assert.equal((await call('DELETE', `/workers/${id}?wait=soon`)).status, 400);
    assert.equal((await call('GET', '/workers')).json.total, 1);
  });

  it('keeps its workers over restarts in state_dir, readable by the owner only; a damaged file stops the start', async () => {
    const directory = join(await mkdtemp(join(tmpdir(), 'smg-state-')), 'new');
    const yaml = `runtime: { state_dir: "${directory}" }`;
    const first = await start(yaml);
    const file = join(directory, 'workers.json');
    await call('POST', '/workers?wait=true', { url: urlOf(0), api_key: 'sk-kept' });
    await call('POST', '/workers', { url: urlOf(1) });
    await first.close();
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.match(await readFile(file, 'utf8'), /sk-kept/);
    const second = await start(yaml);
    const list = (await call('GET', '/workers')).json;
    assert.equal(list.total, 2);
    assert.equal(list.workers[0].has_api_key, true);
    assert.equal((await call('DELETE', `/workers/${list.workers[0].id}?wait=true`)).status, 200);
    await second.close();
    gateway = undefined;
    assert.doesNotMatch(await readFile(file, 'utf8'), /sk-kept/);
    await writeFile(file, '{"version":1');
    await assert.rejects(startGateway(yaml), /workers\.json is damaged/);
    await rm(directory, { recursive: true });
  });

  it('adds and removes 500 times under traffic without a failed request', async () => {
    await start(`clusters: [{ workers: [{ url: "${urlOf(0)}", models: [m1] }] }]`);
    const extra = await startTestSim({ models: ['m1'], ttft: '1ms', itl: '1ms', output_tokens: '5' });
    let running = true;
    const statuses = new Map<number, number>();
    const client = async (): Promise<void> => {
      while (running) {
        const { status } = await chat('m1');
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const clients = [client(), client(), client()];
    for (let round = 0; round < 500; round++) {
      const wait = round % 10 === 0 ? '?wait=true' : '';
      const added = await call('POST', `/workers${wait}`, { url: extra.url, models: ['m1'] });
      assert.ok([200, 202].includes(added.status), JSON.stringify(added.json));
      const id = added.json.worker_id ?? added.json.id;
      assert.ok([200, 202].includes((await call('DELETE', `/workers/${id}${wait}`)).status));
    }
    running = false;
    await Promise.all(clients);
    await extra.close();
    assert.deepEqual([...statuses.keys()], [200]);
    const { server } = gateway as GatewayFixture;
    while (server.services.registry.list().length > 1) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(server.services.registry.list()[0]?.inFlight, 0);
  });
});

describe('administration of all workers', () => {
  it('flushes, profiles and collects metrics, with failures shown', async () => {
    const sim = await startTestSim({ models: ['m'] });
    const yaml = (urls: readonly string[]): string =>
      `clusters: [{ health: off, workers: [${urls.map((url) => `{ url: "${url}", models: [m], runtime: sglang }`).join(', ')}] }]`;
    const gateway = await startGateway(yaml([sim.url]));
    try {
      const post = async (path: string, body?: string): Promise<{ status: number; json: Record<string, unknown> }> => {
        const response = await fetch(gateway.url + path, { method: 'POST', ...(body === undefined ? {} : { body }) });
        return { status: response.status, json: (await response.json()) as Record<string, unknown> };
      };
      const flushed = await post('/flush_cache');
      assert.deepEqual([flushed.status, flushed.json.status, flushed.json.workers_flushed], [200, 'success', 1]);
      await gateway.reload(yaml([sim.url, 'http://127.0.0.1:1']));
      const partly = await post('/flush_cache');
      assert.deepEqual([partly.status, partly.json.status], [206, 'partial_success']);
      assert.deepEqual(partly.json.successful, [sim.url]);
      assert.equal((partly.json.failed as { worker: string }[])[0]?.worker, 'http://127.0.0.1:1');
      assert.equal((await post('/start_profile', '{"url":"http://nowhere:1"}')).status, 404);
      assert.equal((await post('/start_profile', '[]')).status, 400);
      const metrics = await (await fetch(`${gateway.url}/engine_metrics`)).text();
      assert.match(metrics, new RegExp(`worker_addr="${sim.url}"`));
      await gateway.reload(yaml(['http://127.0.0.1:1']));
      assert.equal((await post('/flush_cache')).status, 502);
      assert.equal((await fetch(`${gateway.url}/engine_metrics`)).status, 502);
    } finally {
      await gateway.close();
      await sim.close();
    }
  });
});
