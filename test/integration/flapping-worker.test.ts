import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';

const FLAP_MS = 1_000;
const FLAPS = 6;

describe('a worker that flaps every second', () => {
  let down = false;
  let servers: Server[];
  let urls: string[];

  before(async () => {
    servers = [false, true].map((flaps) =>
      createServer((request, response) => {
        request.resume();
        if (flaps && down) request.socket.destroy();
        else response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
      }),
    );
    urls = [];
    for (const server of servers) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    }
  });

  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function drive(extra: string): Promise<{ total: number; failed: number; gateway: GatewayFixture }> {
    const workers = urls.map((url) => `{ url: "${url}", models: [m], runtime: generic }`).join(', ');
    const gateway = await startGateway(`clusters: [{ name: c, policy: round_robin, workers: [${workers}] }]\n${extra}`);
    let running = true;
    let [total, failed] = [0, 0];
    const client = async (): Promise<void> => {
      while (running) {
        const response = await fetch(`${gateway.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"model":"m","messages":[]}',
        });
        await response.arrayBuffer();
        total += 1;
        if (response.status !== 200) failed += 1;
        await sleep(5);
      }
    };
    const clients = [client(), client()];
    for (let flap = 0; flap < FLAPS; flap++) {
      down = flap % 2 === 1;
      await sleep(FLAP_MS);
    }
    running = false;
    await Promise.all(clients);
    down = false;
    for (const worker of gateway.server.services.registry.list()) assert.equal(worker.inFlight, 0);
    return { total, failed, gateway };
  }

  it('costs no more than the requests that it is given while it is down, when nothing is retried', async () => {
    const { total, failed, gateway } = await drive('resilience: { retry: off }');
    await gateway.close();
    // Half of the requests are its own, and it is down for half of the time.
    assert.ok(failed <= total / 4, `${failed} of ${total} failed`);
    assert.ok(total > 100);
  });

  it('costs nothing when another worker can take over', async () => {
    const { failed, gateway } = await drive('');
    await gateway.close();
    assert.equal(failed, 0);
  });
});
