import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

/** Answers by path; anything else is the 404 of a FastAPI server. */
type Script = Record<string, (body: string) => readonly [status: number, body: unknown]>;

interface Answer {
  readonly type?: string;
  readonly error?: { readonly type: string; readonly message: string };
  readonly input_tokens?: number;
}

describe('token counts', () => {
  let engine: Server;
  let script: Script = {};
  let asked: { path: string; body: string }[] = [];
  const gateways: GatewayFixture[] = [];
  const BODY = {
    model: 'm',
    system: 'Be brief.',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Add' },
          { type: 'image', source: { type: 'url', url: 'u' } },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'add', input: { a: 1 } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: '3' }] },
    ],
    tools: [{ name: 'add', input_schema: { type: 'object' } }],
  };

  before(async () => {
    engine = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        const path = request.url ?? '';
        if (path !== '/health') asked.push({ path, body });
        if (path === '/v1/chat/completions') return; // Never answered: holds its permit.
        const [status, answer] = script[path]?.(body) ?? [404, { detail: 'Not Found' }];
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((done) => engine.listen(0, '127.0.0.1', done));
  });

  afterEach(async () => {
    for (const gateway of gateways.splice(0)) await gateway.close();
    asked = [];
    script = {};
  });

  after(() => {
    engine.closeAllConnections();
    engine.close();
  });

  async function gatewayFor(backend: string, rest = ''): Promise<GatewayFixture> {
    const { port } = engine.address() as AddressInfo;
    const worker = `{ url: "http://127.0.0.1:${port}", models: [m], backend: ${backend} }`;
    const clusters = `clusters: [{ name: c, health: off, workers: [${worker}] }]`;
    const gateway = await startGateway(`${clusters}\nresilience: { retry: off }\n${rest}`);
    gateways.push(gateway);
    asked = [];
    return gateway;
  }

  async function count(gateway: GatewayFixture, body: object = BODY): Promise<{ status: number; json: Answer }> {
    const response = await fetch(`${gateway.url}/v1/messages/count_tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as Answer };
  }

  it('come from the engine where it counts', async () => {
    script = { '/v1/messages/count_tokens': () => [200, { input_tokens: 7, odd: true }] };
    const answer = await count(await gatewayFor('vllm_http'));
    assert.deepEqual(answer, { status: 200, json: { input_tokens: 7, odd: true } });
    assert.deepEqual(
      asked.map(({ path, body }) => [path, JSON.parse(body)]),
      [['/v1/messages/count_tokens', BODY]],
    );
  });

  it('come from the chat template of an engine that tokenises, which is remembered', async () => {
    script = { '/tokenize': () => [200, { count: 9, tokens: [1, 2], max_model_len: 10 }] };
    const gateway = await gatewayFor('vllm_http');
    assert.deepEqual(await count(gateway), { status: 200, json: { input_tokens: 9 } });
    assert.deepEqual(await count(gateway), { status: 200, json: { input_tokens: 9 } });
    assert.deepEqual(
      asked.map(({ path }) => path),
      ['/v1/messages/count_tokens', '/tokenize', '/tokenize'],
    );
    assert.deepEqual(JSON.parse(asked[1]?.body ?? ''), {
      model: 'm',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Add' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 't1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }],
        },
        { role: 'tool', tool_call_id: 't1', content: '3' },
      ],
      tools: [{ type: 'function', function: { name: 'add', parameters: { type: 'object' } } }],
      add_generation_prompt: true,
    });
  });

  it('come from the text alone where an engine takes nothing else', async () => {
    script = { '/tokenize': () => [200, { tokens: [1, 2, 3] }] };
    assert.deepEqual((await count(await gatewayFor('sglang_http'))).json, { input_tokens: 3 });
    const { prompt } = JSON.parse(asked[1]?.body ?? '') as { prompt: string };
    assert.match(prompt, /^Be brief\.\nAdd\nadd\{"a":1\}\n3\n\[\{"type":"function"/);
  });

  it('are refused where nothing can count', async () => {
    for (const backend of ['vllm_http', 'openai']) {
      const { status, json } = await count(await gatewayFor(backend));
      assert.equal(status, 501, backend);
      assert.equal(json.type, 'error');
      assert.match(json.error?.message ?? '', /cannot count tokens/);
    }
  });

  it('pass the engine’s own errors in the client’s envelope', async () => {
    const missing = { error: { message: 'The model `m` does not exist', code: 404 } };
    script = { '/v1/messages/count_tokens': () => [404, missing] };
    const { status, json } = await count(await gatewayFor('vllm_http'));
    assert.equal(status, 404);
    assert.deepEqual(json.error, { type: 'not_found_error', message: 'The model `m` does not exist' });
    assert.equal(asked.length, 1);
  });

  it('are refused for what only its vendor can do, once the gateway has to read it', async () => {
    const { status, json } = await count(await gatewayFor('vllm_http'), { ...BODY, container: 'c' });
    assert.equal(status, 400);
    assert.match(json.error?.message ?? '', /'container'/);
  });

  it('need no permit of admission, unlike what runs the model', async () => {
    script = { '/v1/messages/count_tokens': () => [200, { input_tokens: 7 }] };
    const gateway = await gatewayFor('vllm_http', 'limits: { concurrency: { max: 1, queue: 0 } }');
    const chat = (signal?: AbortSignal) =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] }),
        ...(signal === undefined ? {} : { signal }),
      });
    const holder = new AbortController();
    const held = chat(holder.signal).catch(() => undefined);
    for (let i = 0; i < 500 && asked.length === 0; i++) await new Promise((done) => setTimeout(done, 2));
    assert.equal((await chat()).status, 429);
    assert.equal((await count(gateway)).status, 200);
    holder.abort();
    await held;
  });
});
