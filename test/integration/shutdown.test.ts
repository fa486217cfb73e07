import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js';
import { type RawAnswer, rawPost } from './raw-client.js';

const EVENT = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x' } }] })}\n\n`;
const CHAT = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] };

/** A worker whose streams give one event and then wait for the test. */
class HoldingWorker {
  readonly held = new Set<ServerResponse>();
  readonly server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.end('{"data":[]}');
      return;
    }
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(EVENT);
    this.held.add(response);
    response.on('close', () => this.held.delete(response));
  });

  finishAll(): void {
    for (const response of this.held) response.end(`${EVENT}data: [DONE]\n\n`);
  }

  async holds(count: number): Promise<void> {
    while (this.held.size !== count) await sleep(10);
  }
}

async function status(url: string): Promise<number> {
  const response = await fetch(url, { headers: { connection: 'close' } });
  await response.arrayBuffer();
  return response.status;
}

async function untilStatus(url: string, wanted: number): Promise<void> {
  while ((await status(url)) !== wanted) await sleep(10);
}

describe('the end of a gateway process', { timeout: 100_000 }, () => {
  const worker = new HoldingWorker();
  let url = '';
  let gateway: GatewayProcess | undefined;
  before(async () => {
    await new Promise<void>((resolve) => worker.server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(worker.server.address() as AddressInfo).port}`;
  });
  after(() => {
    worker.server.closeAllConnections();
    worker.server.close();
  });
  afterEach(async () => {
    await gateway?.close();
    worker.finishAll();
    await worker.holds(0);
  });

  async function start(shutdown: string): Promise<GatewayProcess> {
    gateway = await startGatewayProcess(`
listeners:
  - { name: main, host: 127.0.0.1, port: 0 }
  - { kind: probe, host: 127.0.0.1, port: 0 }
clusters: [{ name: a, workers: [{ url: "${url}", models: [m] }] }]
runtime: { shutdown: ${shutdown} }
`);
    await untilStatus(`${gateway.urls.main}/readiness`, 200);
    return gateway;
  }

  function open({ urls }: Pick<GatewayProcess, 'urls'>, count: number): Promise<RawAnswer[]> {
    const port = Number(new URL(urls.main as string).port);
    return Promise.all(Array.from({ length: count }, () => rawPost('h1', port, '/v1/chat/completions', CHAT).answer));
  }

  it('under 200 open streams: not ready at once, still serving, every stream whole, exit 0', async () => {
    const { urls, child, exit, logged, logLines } = await start('{ grace: 60s, settle: 2s }');
    const streams = open({ urls }, 200);
    await worker.holds(200);
    child.kill('SIGTERM');
    await untilStatus(`${urls.main}/readiness`, 503);
    assert.equal(await status(`${urls.probe}/readiness`), 503);
    assert.equal(await status(`${urls.main}/liveness`), 200);
    assert.equal(await status(`${urls.main}/health`), 200);
    assert.equal(worker.held.size, 200, 'a stream ended too early');
    const late = open({ urls }, 1);
    await worker.holds(201);

    const stopped = await logged('gateway ending: accepting no more requests');
    assert.equal(stopped.open_requests, 201);
    assert.equal(await status(`${urls.probe}/liveness`), 200);
    await assert.rejects(fetch(`${urls.main}/health`), 'it still accepts connections');
    worker.finishAll();
    for (const answer of [...(await streams), ...(await late)]) {
      assert.equal(answer.status, 200);
      assert.equal(answer.complete, true);
      assert.match(answer.body, /data: \[DONE\]\n\n$/);
    }
    assert.equal(await exit, 0);
    assert.ok(logLines().some(({ msg }) => msg === 'all open requests have finished'));
  });

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`ends at once with ${code} on a second ${signal}`, async () => {
      const running = await start('{ grace: 10m, settle: 5m }');
      const streams = open(running, 3);
      await worker.holds(3);
      running.child.kill(signal);
      await untilStatus(`${running.urls.probe}/readiness`, 503);
      running.child.kill(signal);
      assert.equal(await running.exit, code);
      for (const answer of await streams) assert.doesNotMatch(answer.body, /\[DONE\]/);
    });
  }

  it('cuts what is left when the grace period is over, says how much, and exits with 0', async () => {
    const running = await start('{ grace: 300ms, settle: 0s }');
    const streams = open(running, 3);
    await worker.holds(3);
    running.child.kill('SIGTERM');
    assert.equal(await running.exit, 0);
    const cut = running.logLines().find(({ msg }) => String(msg).startsWith('open requests are cut'));
    assert.equal(cut?.remaining, 3);
    for (const answer of await streams) assert.doesNotMatch(answer.body, /\[DONE\]/);
    await worker.holds(0);
  });

  it('does not wait for balancers where nobody is connected and nobody asked whether it is ready', async () => {
    gateway = await startGatewayProcess(`
listeners: [{ host: 127.0.0.1, port: 0 }]
clusters: [{ name: a, workers: [{ url: "${url}", models: [m] }] }]
`);
    gateway.child.kill('SIGTERM');
    assert.equal(await gateway.exit, 0);
    const [line] = gateway.logLines().filter(({ msg }) => String(msg).startsWith('gateway ending: not ready'));
    assert.equal(line?.settle_ms, 0);
  });
});
