import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { type RawAnswer, type RawRequest, rawPost } from './raw-client.js';

const CHAT = '/v1/chat/completions';
const MIB = 1024 * 1024;
const body = (user: string, stream = false): object => ({
  model: 'm',
  user,
  stream,
  messages: [{ role: 'user', content: 'hi' }],
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A worker that answers when the test says so, and remembers who came in which order. */
class HoldingWorker {
  readonly held: { user: string; response: ServerResponse }[] = [];
  readonly users: string[] = [];
  readonly server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.method === 'GET') {
        response.end('{"data":[]}');
        return;
      }
      const { user } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { user: string };
      const entry = { user, response };
      this.users.push(user);
      this.held.push(entry);
      response.on('close', () => this.held.splice(this.held.indexOf(entry), 1));
    });
  });

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Answers whoever has waited longest. */
  answerNext(): void {
    this.held[0]?.response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"x"}');
  }

  async holds(count: number): Promise<void> {
    await until(() => this.held.length === count);
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (await condition()) return;
    await sleep(2);
  }
  assert.fail(`never came true: ${condition}`);
}

function assertRefused(answer: RawAnswer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.body);
  assert.equal((JSON.parse(answer.body) as { error: { code: string } }).error.code, code);
  assert.equal(answer.headers['retry-after'], '2');
}

describe('admission', () => {
  const worker = new HoldingWorker();
  let gateway: GatewayFixture | undefined;

  before(() => new Promise<void>((resolve) => worker.server.listen(0, '127.0.0.1', resolve)));
  afterEach(async () => {
    await gateway?.close();
    gateway = undefined;
    worker.server.closeAllConnections();
    await worker.holds(0);
    worker.users.length = 0;
  });
  after(() => worker.server.close());

  const yaml = (concurrency: string, extra = ''): string => `
clusters: [{ name: c, health: off, workers: [{ url: "${worker.url}", models: [m] }] }]
limits: { concurrency: ${concurrency} }
resilience: { retry: off }
${extra}
`;

  async function start(concurrency: string, extra = ''): Promise<GatewayFixture> {
    gateway = await startGateway(yaml(concurrency, extra));
    return gateway;
  }

  async function metric(name: string): Promise<number> {
    const text = (await gateway?.metricsText()) ?? '';
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  async function queued(count: number): Promise<void> {
    await until(async () => (await metric('smg_admission_queue_depth')) === count);
  }

  async function idle(): Promise<void> {
    await until(() => gateway?.server.generation.streams === 0);
    assert.equal(await metric('smg_admission_queue_depth'), 0);
    assert.equal(await metric('smg_admission_inflight'), 0);
  }

  function send(user: string, protocol: 'h1' | 'h2' = 'h1'): RawRequest {
    return rawPost(protocol, gateway?.port ?? 0, CHAT, body(user));
  }

  for (const [limit, count] of [
    ['5', 5],
    ['-1', 20],
    ['off', 20],
  ] as const) {
    it(`lets ${count} requests run at once with a limit of ${limit}`, async () => {
      await start(limit === 'off' ? 'off' : `{ max: ${limit} }`);
      const requests = Array.from({ length: count }, (_, i) => send(String(i)));
      await worker.holds(count);
      for (let i = count; i > 0; i--) {
        worker.answerNext();
        await worker.holds(i - 1);
      }
      for (const { answer } of requests) assert.equal((await answer).status, 200);
    });
  }

  it('lets the others wait in the order in which they came, over HTTP/1 and HTTP/2', async () => {
    await start('{ max: 1, queue: 10 }');
    const requests: RawRequest[] = [];
    for (let i = 0; i < 6; i++) {
      requests.push(send(String(i), i % 2 === 0 ? 'h1' : 'h2'));
      if (i === 0) await worker.holds(1);
      else await queued(i);
    }
    for (let i = 0; i < 6; i++) {
      await until(() => worker.held[0]?.user === String(i));
      assert.equal(worker.held.length, 1);
      worker.answerNext();
      assert.equal((await (requests[i] as RawRequest).answer).status, 200);
    }
    assert.deepEqual(worker.users, ['0', '1', '2', '3', '4', '5']);
    await idle();
  });

  it('refuses at once who finds the queue full, and reads stay open', async () => {
    await start('{ max: 1, queue: 1 }');
    const first = send('first');
    await worker.holds(1);
    const second = send('second');
    await queued(1);
    assertRefused(await send('third').answer, 429, 'admission_queue_full');
    for (const path of ['/v1/models', '/readiness', '/workers']) {
      assert.equal((await fetch(`${gateway?.url}${path}`)).status, 200, path);
    }
    first.leave();
    await until(() => worker.users.includes('second'));
    second.leave();
    await idle();
  });

  it('refuses who has waited too long', async () => {
    await start('{ max: 1, queue_timeout: 100ms }');
    const first = send('first');
    await worker.holds(1);
    assertRefused(await send('second').answer, 503, 'admission_queue_timeout');
    assert.deepEqual(worker.users, ['first']);
    first.leave();
    await idle();
  });

  it('does not read the body of who waits: the client feels it', async () => {
    await start('{ max: 1 }');
    const first = send('first');
    await worker.holds(1);
    const text = JSON.stringify({ ...body('big'), padding: 'x'.repeat(24 * MIB) });
    const client = net.connect(gateway?.port ?? 0, '127.0.0.1');
    client.on('error', () => {});
    client.write(
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`,
    );
    client.write(text);
    await queued(1);
    await sleep(300);
    assert.ok(client.writableLength > 0, 'the whole body was read while the request waited');
    worker.answerNext();
    await until(() => worker.users.includes('big'));
    assert.equal(client.writableLength, 0);
    client.destroy();
    await first.answer;
    await idle();
  });

  it('notices a client that leaves in the middle of a large body: h2 at once, h1 when its turn comes', async () => {
    await start('{ max: 1 }');
    const first = send('first');
    await worker.holds(1);
    const large = { ...body('gone'), padding: 'x'.repeat(24 * MIB) };
    const overH2 = rawPost('h2', gateway?.port ?? 0, CHAT, large);
    await queued(1);
    overH2.leave();
    await queued(0);
    const overH1 = rawPost('h1', gateway?.port ?? 0, CHAT, large);
    await queued(1);
    overH1.leave();
    const last = send('last');
    worker.answerNext();
    assert.equal((await first.answer).status, 200);
    await until(() => worker.held[0]?.user === 'last');
    worker.answerNext();
    assert.equal((await last.answer).status, 200);
    assert.deepEqual(worker.users, ['first', 'last']);
    await idle();
  });

  it('counts requests of older configurations, and a new limit lets who waits go at once', async () => {
    const { reload } = await start('{ max: 2, queue: 10 }');
    const old = [send('a'), send('b')];
    await worker.holds(2);
    const waiting = [send('c'), send('d')];
    await queued(2);
    assert.equal((await reload(yaml('{ max: 1, queue: 2 }'))).ok, true);
    assertRefused(await send('e').answer, 429, 'admission_queue_full');
    worker.answerNext();
    await worker.holds(1);
    assert.equal((await reload(yaml('{ max: 1, queue: 2 }', 'routs: []'))).ok, false);
    assert.equal(await metric('smg_admission_queue_depth'), 2);
    assert.equal((await reload(yaml('{ max: 3, queue: 2 }'))).ok, true);
    await worker.holds(3);
    for (let left = 2; left >= 0; left--) {
      worker.answerNext();
      await worker.holds(left);
    }
    for (const { answer } of [...old, ...waiting]) assert.equal((await answer).status, 200);
    await idle();
    await until(() => gateway?.server.generationCount === 1);
  });

  it('serves who waits while the process ends, and answers the others before they are cut', async () => {
    const { server } = await start('{ max: 1, queue: 10 }', 'runtime: { shutdown: { grace: 2s, settle: 0s } }');
    const first = send('first');
    await worker.holds(1);
    const second = send('second');
    await queued(1);
    const third = send('third');
    await queued(2);
    const drained = server.drain();
    worker.answerNext();
    assert.equal((await first.answer).status, 200);
    await until(() => worker.users.includes('second'));
    assertRefused(await third.answer, 503, 'draining');
    worker.answerNext();
    assert.equal((await second.answer).status, 200);
    assert.equal(await drained, true);
  });

  it('10,000 requests that were queued and abandoned leave nothing behind', async () => {
    // The fixture keeps every line of the log, which is not what is measured here.
    const quiet = 'telemetry: { logs: { access: false }, metrics: { prometheus: { host: 127.0.0.1, port: 0 } } }';
    await start('{ max: 1, queue: 1000 }', quiet);
    const holder = send('holder');
    await worker.holds(1);
    const text = JSON.stringify(body('gone'));
    const request = `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    let baseline = 0;
    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(
        Array.from(
          { length: 1000 },
          () =>
            new Promise<net.Socket>((resolve) => {
              const socket = net.connect(gateway?.port ?? 0, '127.0.0.1', () =>
                socket.write(request, () => resolve(socket)),
              );
              socket.on('error', () => {});
            }),
        ),
      );
      await queued(1000);
      for (const socket of sockets) {
        if (round % 2 === 0) socket.destroy();
        else socket.resetAndDestroy();
      }
      await queued(0);
      collectGarbage();
      await sleep(10);
      collectGarbage();
      if (round === 1) baseline = process.memoryUsage().heapUsed;
    }
    const growth = process.memoryUsage().heapUsed - baseline;
    console.log(
      `heap after 10,000 queued and abandoned requests: ${(growth / MIB).toFixed(2)} MiB more than after 2,000`,
    );
    assert.ok(growth < 4 * MIB, `the heap grew by ${(growth / MIB).toFixed(1)} MiB over 8,000 requests`);
    assert.equal(gateway?.server.generation.streams, 1);
    assert.equal(await metric('smg_admission_inflight'), 1);
    worker.answerNext();
    assert.equal((await holder.answer).status, 200);
    assert.deepEqual(worker.users, ['holder']);
    await idle();
  });
});
