import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';

/** An OpenAI server of which the test decides what it lists; remembers what it was asked. */
class ModelServer {
  models: { readonly id: string; readonly [field: string]: unknown }[] | number = [];
  readonly bodies: { readonly model: string }[] = [];
  readonly modelRequests: IncomingHttpHeaders[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.url === '/health') {
        response.end();
      } else if (request.url === '/v1/models') {
        this.modelRequests.push(request.headers);
        if (typeof this.models === 'number') response.writeHead(this.models).end();
        else response.end(JSON.stringify({ object: 'list', data: this.models }));
      } else if (request.method === 'POST') {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          this.bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
          response.setHeader('content-type', 'application/json');
          response.end('{"choices":[]}');
        });
      } else {
        response.writeHead(404).end();
      }
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('detection, through the gateway', () => {
  const closers: (() => void | Promise<void>)[] = [];
  let gateway: GatewayFixture;

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function start(yaml: string): Promise<void> {
    gateway = await startGateway(yaml);
    closers.push(() => gateway.close());
  }

  async function serve(): Promise<{ server: ModelServer; url: string }> {
    const server = new ModelServer();
    closers.push(() => server.close());
    return { server, url: await server.start() };
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  const get = async (path: string): Promise<any> => (await fetch(gateway.url + path)).json();

  const post = (body: object, path = '/v1/chat/completions'): Promise<Response> =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  /** Waits, for as long as the test may run, until the only worker has this status. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  async function workerOnce(status: string): Promise<any> {
    for (;;) {
      const { workers } = await get('/workers');
      if (workers[0]?.status === status) return workers[0];
      await sleep(10);
    }
  }

  it('each simulated engine gets the backend of its kind, and its models are described', async () => {
    const sims = await Promise.all(
      (['sglang', 'vllm', 'openai'] as const).map((runtime) =>
        startTestSim({ runtime, models: [`${runtime}-model`, `${runtime}-adapter`], context_length: 4096 }),
      ),
    );
    for (const sim of sims) closers.push(() => sim.close());
    await start(`clusters: [{ name: c, workers: [${sims.map(({ url }) => `"${url}"`).join(', ')}] }]`);
    for (;;) {
      const { stats } = await get('/workers');
      if (stats.ready_count === 3) break;
      await sleep(10);
    }
    const { workers } = await get('/workers');
    assert.deepEqual(
      workers.map((worker: { runtime: string; backend: string; model_id: string }) => [
        worker.runtime,
        worker.backend,
        worker.model_id,
      ]),
      [
        ['sglang', 'sglang_http', 'sglang-model'],
        ['vllm', 'vllm_http', 'vllm-model'],
        ['generic', 'openai_compatible', 'openai-model'],
      ],
    );
    assert.equal(workers[0].models[1].id, 'sglang-adapter');
    assert.equal(workers[0].models[1].context_length, 4096);
    assert.deepEqual(workers[0].models[0].model_type, ['chat', 'completions', 'responses', 'tools']);
    assert.equal(workers[1].labels.max_model_len, '4096');
    const { data } = await get('/v1/models');
    assert.equal(data.length, 6);
    assert.equal(data[0].context_length, 4096);
    assert.equal(
      (await post({ model: 'vllm-adapter', messages: [{ role: 'user', content: 'x' }], max_tokens: 2 })).status,
      200,
    );
  });

  it('a worker that does not tell its models gets no request, says why, and opens when it does', async () => {
    const { server, url } = await serve();
    server.models = 401;
    await start(`clusters: [{ name: c, workers: ["${url}"] }]`);
    const pending = await workerOnce('pending');
    assert.equal(pending.is_healthy, false);
    assert.notEqual((await post({ model: 'm' })).status, 200);
    for (;;) {
      const { status_reason: reason } = (await get('/workers')).workers[0];
      if (reason === 'models: status 401') break;
      await sleep(10);
    }
    assert.equal(server.bodies.length, 0);
    server.models = [{ id: 'm' }];
    const ready = await workerOnce('ready');
    assert.equal(ready.runtime, 'generic');
    assert.equal(ready.status_reason, undefined);
    assert.equal((await post({ model: 'm' })).status, 200);
    assert.equal(server.bodies.length, 1);
  });

  it('aliases of a card: the canonical name goes to the worker, and the list has it alone', async () => {
    const { server, url } = await serve();
    server.models = [{ id: 'big' }];
    await start('clusters: [{ name: c }]');
    const record = { url, models: [{ id: 'big', aliases: ['large'], context_length: 9 }] };
    assert.equal((await post(record, '/workers?wait=true')).status, 200);
    assert.equal((await post({ model: 'large' })).status, 200);
    assert.equal(server.bodies[0]?.model, 'big');
    const { data } = await get('/v1/models');
    assert.deepEqual(
      data.map(({ id, context_length }: { id: string; context_length: number }) => [id, context_length]),
      [['big', 9]],
    );
    assert.equal((await get('/workers?model=large')).total, 1);
    assert.equal((await get('/workers?model=small')).total, 0);
  });

  it('a provider: dated names are aliases that it gets as they are written; its list is not guessed at', async () => {
    const { server, url } = await serve();
    await start(`clusters: [{ name: cloud, workers: [{ url: "${url}", runtime: external, api_key: secret-key }] }]`);
    await workerOnce('pending');
    server.models = [{ id: 'gpt-4o-2024-08-06' }, { id: 'gpt-4o' }];
    const worker = await workerOnce('ready');
    assert.deepEqual(worker.models[0].aliases, ['gpt-4o-2024-08-06']);
    assert.equal(server.modelRequests[0]?.authorization, 'Bearer secret-key');
    assert.equal((await post({ model: 'gpt-4o-2024-08-06' })).status, 200);
    assert.equal(server.bodies[0]?.model, 'gpt-4o-2024-08-06');
    assert.equal((await post({ model: 'gpt-5' })).status, 404);
    assert.doesNotMatch(gateway.logText(), /secret-key/);
  });

  it('a provider without a key takes any model, and a stated list wins over its own', async () => {
    const { server, url } = await serve();
    server.models = [{ id: 'listed' }];
    await start(`clusters: [{ name: cloud, workers: [{ url: "${url}", runtime: external }] }]`);
    assert.equal((await post({ model: 'whatever' })).status, 200);
    await gateway.reload(
      `clusters: [{ name: cloud, workers: [{ url: "${url}", runtime: external, api_key: k, models: [mine] }] }]`,
    );
    assert.equal((await post({ model: 'mine' })).status, 200);
    assert.equal((await post({ model: 'listed' })).status, 404);
    assert.equal(server.modelRequests.length, 0);
  });
});
