import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';

const MIB = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A worker whose streams are as long as the client reads: 100 MiB in events of 64 KiB. */
async function openLongStreamWorker(): Promise<{ port: number; written(): number; close(): void }> {
  const event = Buffer.from(`data: ${'x'.repeat(64 * 1024 - 8)}\n\n`);
  const framed = Buffer.concat([Buffer.from(`${event.length.toString(16)}\r\n`), event, Buffer.from('\r\n')]);
  let written = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n');
      const pump = (): void => {
        while (written < 100 * MIB) {
          written += event.length;
          if (!socket.write(framed)) {
            socket.once('drain', pump);
            return;
          }
        }
        socket.end('e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n');
      };
      pump();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    written: () => written,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const chat = (stream: boolean): string => {
  const body = JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content: 'hello' }] });
  return `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};

async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

describe('capacity', () => {
  let sim: RunningSim;
  let gateway: GatewayFixture;

  before(async () => {
    sim = await startTestSim({ models: ['m'], ttft: '3s', itl: '50ms', output_tokens: '20', max_batch: 4096 });
    gateway = await startGateway(`
clusters: [{ name: c, health: off, workers: [{ url: "${sim.url}", models: [m] }], pool: { max_per_worker: 4096 } }]
telemetry: { logs: { access: false }, metrics: { prometheus: off } }
`);
  });

  after(async () => {
    await gateway.close();
    await sim.close();
  });

  it('a client that stops reading a 100 MiB stream holds less than 1 MiB here', async () => {
    const worker = await openLongStreamWorker();
    const own = await startGateway(
      `clusters: [{ name: c, health: off, workers: [{ url: "http://127.0.0.1:${worker.port}", models: [m] }] }]`,
    );
    const socket = await connect(own.port);
    try {
      socket.pause();
      collectGarbage();
      const { arrayBuffers: before } = process.memoryUsage();
      socket.write(chat(true));
      let last = -1;
      while (worker.written() !== last) {
        last = worker.written();
        await sleep(150);
      }
      assert.ok(last < 100 * MIB, 'the worker was never slowed down');
      let held = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 40 && held >= MIB; i++) {
        // Memory of buffers is given back some turns after the collection that found them dead.
        collectGarbage();
        await sleep(20);
        held = process.memoryUsage().arrayBuffers - before;
      }
      // The worker of this test lives in the same process and holds one event that its socket did not take.
      assert.ok(held < MIB, `${held} bytes are held`);
      let read = 0;
      let tail = '';
      socket.on('data', (chunk: Buffer) => {
        read += chunk.length;
        tail = (tail + chunk.subarray(-64).toString('latin1')).slice(-64);
      });
      socket.resume();
      for (let i = 0; i < 3000 && !tail.endsWith('0\r\n\r\n'); i++) await sleep(5);
      assert.ok(read > 100 * MIB);
      assert.match(tail, /\[DONE\]/);
    } finally {
      socket.destroy();
      await own.close();
      worker.close();
    }
  });

  it('2,000 slow streams at once all complete', async () => {
    const streams = 2000;
    let complete = 0;
    let peak = 0;
    const sockets: net.Socket[] = [];
    await Promise.all(
      Array.from({ length: streams }, async () => {
        const socket = await connect(gateway.port);
        sockets.push(socket);
        let tail = '';
        await new Promise<void>((resolve, reject) => {
          socket.on('error', reject);
          socket.on('close', () => reject(new Error('closed early')));
          socket.on('data', (chunk: Buffer) => {
            peak = Math.max(peak, gateway.server.generation.streams);
            tail = (tail + chunk.toString('latin1')).slice(-64);
            if (!tail.endsWith('0\r\n\r\n')) return;
            if (tail.includes('data: [DONE]')) complete++;
            resolve();
          });
          socket.write(chat(true));
        });
        socket.removeAllListeners('close');
      }),
    );
    for (const socket of sockets) socket.destroy();
    assert.equal(complete, streams);
    assert.ok(peak > streams / 2, `only ${peak} streams were open at once`);
    assert.equal(gateway.server.generation.streams, 0);
  });

  it('10,000 idle keep-alive connections cost less than 200 MiB', async () => {
    collectGarbage();
    const before = process.memoryUsage().rss;
    const sockets: net.Socket[] = [];
    for (let batch = 0; batch < 20; batch++) {
      const opened = await Promise.all(Array.from({ length: 500 }, () => connect(gateway.port)));
      sockets.push(...opened);
    }
    // One of them has been used, as a keep-alive connection would be.
    const used = sockets[0] as net.Socket;
    used.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) => used.once('data', resolve));
    collectGarbage();
    const cost = process.memoryUsage().rss - before;
    for (const socket of sockets) socket.destroy();
    // Both ends of each connection live in this process, so the gateway's share is less than what is measured.
    assert.ok(cost < 200 * MIB, `${Math.round(cost / MIB)} MiB`);
  });
});
