import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

/** A provider that lists one model for one key, and remembers who asked. */
class ListingProvider {
  readonly asked: { path: string; headers: IncomingHttpHeaders }[] = [];
  readonly #server: Server;

  constructor(keyHeader: string, key: string, answer: object) {
    this.#server = createServer((request, response) => {
      this.asked.push({ path: request.url ?? '', headers: request.headers });
      const ok = request.headers[keyHeader] === key;
      response.writeHead(ok ? 200 : 401, { 'content-type': 'application/json' });
      response.end(JSON.stringify(ok ? answer : { error: { message: 'no' } }));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe('models for keys of callers', () => {
  const openai = new ListingProvider('authorization', 'Bearer sk-mine', { data: [{ id: 'gpt-4o' }] });
  const claude = new ListingProvider('x-api-key', 'sk-ant-mine', { data: [{ id: 'claude-x' }], has_more: false });
  const gemini = new ListingProvider('x-goog-api-key', 'AIza-mine', { models: [{ name: 'models/gemini-x' }] });
  let gateway: GatewayFixture;
  let openaiUrl = '';

  const ids = async (headers: Record<string, string>): Promise<string[]> => {
    const response = await fetch(`${gateway.url}/v1/models`, { headers });
    assert.equal(response.status, 200);
    return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  };

  before(async () => {
    const [a, b, c] = await Promise.all([openai.start(), claude.start(), gemini.start()]);
    openaiUrl = a;
    gateway = await startGateway(`
clusters:
  - { name: local, health: off, workers: [{ url: "http://127.0.0.1:9", models: [llama], runtime: vllm }] }
  - { name: openai, provider: openai, url: "${a}" }
  - { name: claude, provider: anthropic, url: "${b}" }
  - { name: gemini, provider: gemini, url: "${c}" }
auth: { api_key: sk-gateway }
`);
  });

  after(async () => {
    await gateway.close();
    await Promise.all([openai.close(), claude.close(), gemini.close()]);
  });

  it('are those of the provider that each key is meant for; the gateway’s key goes nowhere', async () => {
    const own = { 'x-api-key': 'sk-gateway' };
    assert.deepEqual(await ids(own), ['llama']);
    assert.deepEqual([openai.asked, claude.asked, gemini.asked], [[], [], []]);
    assert.deepEqual(await ids({ ...own, authorization: 'Bearer sk-mine' }), ['llama', 'gpt-4o']);
    assert.deepEqual([openai.asked.length, claude.asked.length, gemini.asked.length], [1, 0, 0]);
    assert.deepEqual(await ids({ authorization: 'Bearer sk-gateway', 'x-api-key': 'sk-ant-mine' }), [
      'llama',
      'claude-x',
    ]);
    assert.equal(claude.asked[0]?.path, '/v1/models?limit=1000');
    assert.equal(claude.asked[0]?.headers['anthropic-version'], '2023-06-01');
    assert.deepEqual(await ids({ ...own, authorization: 'Bearer AIza-mine' }), ['llama', 'gemini-x']);
    assert.deepEqual([openai.asked.length, claude.asked.length, gemini.asked.length], [1, 1, 1]);
    const everything = JSON.stringify([openai.asked, claude.asked, gemini.asked]);
    assert.ok(!everything.includes('sk-gateway'));
  });

  it('are asked for once a minute and key, whatever comes of it', async () => {
    const before = openai.asked.length;
    const headers = { 'x-api-key': 'sk-gateway', authorization: 'Bearer sk-wrong' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => ids(headers)));
    for (const answer of answers) assert.deepEqual(answer, ['llama']);
    assert.equal(openai.asked.length, before + 1);
    assert.deepEqual(await ids({ 'x-api-key': 'sk-gateway', authorization: 'Bearer sk-mine' }), ['llama', 'gpt-4o']);
    assert.equal(openai.asked.length, before + 1);
  });

  it('no provider is asked to describe itself as an engine', async () => {
    const own = await startGateway(
      `clusters: [{ name: openai, provider: openai, url: "${openaiUrl}", api_key: sk-stored }]`,
    );
    try {
      const before = openai.asked.length;
      for (const path of ['/get_server_info', '/get_model_info']) {
        const answer = await fetch(own.url + path);
        assert.equal(answer.status, 501);
        assert.match(await answer.text(), /not_supported_by_provider/);
      }
      const about = openai.asked.slice(before).filter(({ path }) => !path.startsWith('/v1/models'));
      assert.deepEqual(about, []);
    } finally {
      await own.close();
    }
  });

  it('one of them may be asked for by name', async () => {
    const headers = { 'x-api-key': 'sk-gateway', authorization: 'Bearer sk-mine' };
    const found = await fetch(`${gateway.url}/v1/models/gpt-4o`, { headers });
    assert.equal(((await found.json()) as { owned_by: string }).owned_by, 'openai');
    const missing = await fetch(`${gateway.url}/v1/models/gpt-4o`, { headers: { 'x-api-key': 'sk-gateway' } });
    assert.equal(missing.status, 404);
  });
});
