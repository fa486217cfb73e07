import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

/** An SGLang server with three ranks that answers when the test lets it. */
class RankedEngine {
  readonly ranks: unknown[] = [];
  readonly held: ServerResponse[] = [];
  readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => this.#answer(request.url ?? '', Buffer.concat(chunks).toString(), response));
  });

  #answer(path: string, body: string, response: ServerResponse): void {
    const json = (value: unknown): unknown =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (path === '/v1/models') json({ data: [{ id: 'm', owned_by: 'sglang' }] });
    else if (path === '/server_info') json({ served_model_name: 'm', dp_size: 3 });
    else if (path === '/health') json({});
    else if (path === '/v1/chat/completions') {
      this.ranks.push((JSON.parse(body) as { data_parallel_rank?: unknown }).data_parallel_rank);
      this.held.push(response);
    } else response.writeHead(404).end();
  }

  release(count: number): void {
    for (const response of this.held.splice(0, count)) {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
    }
  }

  async holds(count: number): Promise<void> {
    while (this.held.length !== count) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('data-parallel engines', () => {
  const engine = new RankedEngine();
  let url = '';
  let gateway: GatewayFixture;

  before(async () => {
    await new Promise<void>((resolve) => engine.server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(engine.server.address() as AddressInfo).port}`;
    gateway = await startGateway(`clusters: [{ name: c, dp: { aware: true }, workers: ["${url}"] }]`);
  });

  after(async () => {
    await gateway.close();
    engine.server.closeAllConnections();
    engine.server.close();
  });

  const post = (content = ''): Promise<number> =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', data_parallel_rank: 9, messages: [{ role: 'user', content }] }),
    }).then(async (response) => {
      await response.arrayBuffer();
      return response.status;
    });

  it('are one worker; each request names the rank with the fewest requests in flight', async () => {
    const list = (await (await fetch(`${gateway.url}/workers`)).json()) as {
      total: number;
      workers: { labels: Record<string, string> }[];
    };
    assert.equal(list.total, 1);
    assert.equal(list.workers[0]?.labels.dp_size, '3');
    const answers: Promise<number>[] = [];
    for (let i = 0; i < 6; i++) {
      answers.push(post());
      await engine.holds(i + 1);
    }
    assert.deepEqual(engine.ranks, [0, 1, 2, 0, 1, 2]);
    // Ranks 0 and 1 are relieved; the next two go there.
    engine.release(2);
    await Promise.all(answers.slice(0, 2));
    for (let i = 0; i < 2; i++) {
      answers.push(post());
      await engine.holds(5 + i);
    }
    assert.deepEqual(engine.ranks.slice(6).sort(), [0, 1]);
    engine.release(6);
    assert.deepEqual(await Promise.all(answers), new Array(8).fill(200));
  });

  it('with min_tokens each request names the rank with the fewest tokens, not the fewest requests', async () => {
    const worker = `{ url: "${url}", runtime: sglang, models: [m], labels: { dp_size: "2" } }`;
    const refused = await gateway.reload(
      `clusters: [{ name: c, dp: { aware: false, scheduler: min_tokens }, workers: [${worker}] }]`,
    );
    assert.equal(refused.ok, false);
    const result = await gateway.reload(
      `clusters: [{ name: tokens, dp: { scheduler: min_tokens }, workers: [${worker}] }]`,
    );
    assert.equal(result.ok, true);
    const answers: Promise<number>[] = [];
    for (const content of ['long '.repeat(1_000), 'a', 'b', 'c']) {
      answers.push(post(content));
      await engine.holds(answers.length);
    }
    assert.deepEqual(engine.ranks.slice(-4), [0, 1, 1, 1]);
    engine.release(4);
    assert.deepEqual(await Promise.all(answers), new Array(4).fill(200));
  });

  it('may have their ranks stated with everything else, so that nothing is asked', async () => {
    const worker = `{ url: "${url}", runtime: sglang, models: [m], labels: { dp_size: "2" } }`;
    const result = await gateway.reload(`clusters: [{ name: stated, dp: { aware: true }, workers: [${worker}] }]`);
    assert.equal(result.ok, true);
    const answers = [post()];
    await engine.holds(1);
    answers.push(post());
    await engine.holds(2);
    assert.deepEqual(engine.ranks.slice(-2), [0, 1]);
    engine.release(2);
    await Promise.all(answers);
  });

  it('that claim what no engine has are taken to have one rank', async () => {
    for (const claim of ['1000000000', '2.5', 'many', '-3']) {
      const worker = `{ url: "${url}", runtime: sglang, models: [m], labels: { dp_size: "${claim}" } }`;
      const result = await gateway.reload(`clusters: [{ name: stated, dp: { aware: true }, workers: [${worker}] }]`);
      assert.equal(result.ok, true, claim);
      const answer = post();
      await engine.holds(1);
      assert.equal(engine.ranks.at(-1), 9, claim);
      engine.release(1);
      await answer;
    }
  });

  it('decide for themselves where the cluster does not', async () => {
    const result = await gateway.reload(`clusters: [{ name: c, workers: ["${url}"] }]`);
    assert.equal(result.ok, true);
    const answer = post();
    await engine.holds(1);
    assert.equal(engine.ranks.at(-1), 9, "the caller's own field passes");
    engine.release(1);
    assert.equal(await answer, 200);
  });
});
