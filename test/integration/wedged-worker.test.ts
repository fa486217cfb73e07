import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

const PIECE = 'data: {"choices":[]}\n\n';

/** An engine that answers probes, and sends heads; tokens only while it does not hang. */
class Engine {
  hangs = false;
  received = 0;
  readonly held: ServerResponse[] = [];
  readonly server = createServer((request, response) => {
    if (request.url !== '/v1/chat/completions') {
      response.writeHead(request.url === '/health' ? 200 : 404).end();
      return;
    }
    request.resume();
    this.received += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    if (this.hangs) this.held.push(response);
    else end(response);
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  goOn(): void {
    this.hangs = false;
    for (const response of this.held.splice(0)) end(response);
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function end(response: ServerResponse): void {
  response.write(PIECE);
  response.end('data: [DONE]\n\n');
}

describe('an engine on which requests hang', () => {
  const [sick, well] = [new Engine(), new Engine()];
  let gateway: GatewayFixture;

  before(async () => {
    const workers = [await sick.listen(), await well.listen()].map(
      (url) => `{ url: "${url}", models: [m], runtime: vllm }`,
    );
    gateway = await startGateway(`
clusters: [{ name: c, policy: round_robin, workers: [${workers.join(', ')}] }]
resilience: { liveness: { wedge: 300ms }, retry: off }
`);
  });

  after(async () => {
    await gateway.close();
    sick.close();
    well.close();
  });

  function ask(): Promise<string> {
    return fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"model":"m","stream":true,"messages":[]}',
    }).then((response) => response.text());
  }

  it('gets no more of them while another one has room, and is used again once it goes on', async () => {
    sick.hangs = true;
    const answers: Promise<string>[] = [];
    // New requests come until the watch has seen it; what hangs stays open.
    while (!/stall_transitions_total\{[^}]*reason="wedge"\} 1\n/.test(await gateway.metricsText())) {
      answers.push(ask());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const before = sick.received;
    assert.ok(before >= 2);
    for (let i = 0; i < 10; i += 1) assert.match(await ask(), /DONE/);
    assert.equal(sick.received, before);
    sick.goOn();
    for (const text of await Promise.all(answers)) assert.match(text, /DONE/);
    for (let i = 0; i < 4; i += 1) assert.match(await ask(), /DONE/);
    assert.ok(sick.received > before);
  });
});
