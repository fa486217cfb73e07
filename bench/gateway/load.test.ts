import assert from 'node:assert/strict';
import { connect, createServer, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerKind } from './answers.js';
import { createChatRequest } from './chat-request.js';
import type { WorkerReport } from './fake-worker.js';
import { type RunningGateway, startGateway } from './gateway-start.js';
import type { LoadJob, LoadResult } from './load-tally.js';
import { compilePrograms, Program } from './program.js';
import { BASELINE, createBuiltInTargets, parseTarget } from './targets.js';

const programPath = compilePrograms();
let worker: Program<string, WorkerReport>;
let client: Program<LoadJob, LoadResult>;
let workers: string[];
let bare: RunningGateway;

before(async () => {
  worker = new Program(programPath('fake-worker'), undefined);
  const { ports } = await worker.receive();
  workers = ports.map((port) => `http://127.0.0.1:${port}`);
  client = new Program(programPath('load-client'), undefined);
  const target = createBuiltInTargets({}).find((one) => one.name === BASELINE);
  assert.ok(target);
  bare = await startGateway(target, workers, undefined, programPath);
});

after(async () => {
  await Promise.all([bare.stop(), client.stop(), worker.stop()]);
});

function createJob(port: number, answer: AnswerKind, change: Partial<LoadJob> = {}): LoadJob {
  const job = {
    protocol: 'h1',
    port,
    concurrency: 4,
    bodyBytes: 1024,
    answer,
    check: 'exact',
    durationMs: 60,
  } as const;
  return { ...job, ...change };
}

function directPort(): number {
  return Number(new URL(workers[0] as string).port);
}

test('every kind of answer passes, straight and through the bare proxy', async () => {
  await worker.ask('report');
  let answers = 0;
  for (const port of [directPort(), bare.port]) {
    for (const answer of ['chat', 'burst', 'paced'] as const) {
      const result = await client.ask(createJob(port, answer));
      assert.equal(result.firstFailure, undefined);
      assert.ok(result.requestsTotal > 0);
      assert.equal(result.eventsTotal, answer === 'chat' ? 0 : result.requestsTotal * 65);
      answers += result.requestsTotal;
    }
  }
  const report = await worker.ask('report');
  assert.equal(report.firstMalformed, undefined);
  assert.equal((report.requests[0] as number) + (report.requests[1] as number), answers);
  assert.ok((report.requests[1] as number) > 0, 'the proxy uses both workers');
});

test('large bodies and HTTP/2', async () => {
  const large = await client.ask(createJob(bare.port, 'chat', { bodyBytes: 128 * 1024 }));
  assert.equal(large.firstFailure, undefined);
  assert.ok(large.requestsTotal > 0);
  for (const answer of ['chat', 'burst'] as const) {
    const result = await client.ask(createJob(bare.http2Port as number, answer, { protocol: 'h2' }));
    assert.equal(result.firstFailure, undefined);
    assert.ok(result.requestsTotal > 0);
  }
});

test('the bare proxy stops the worker when the client leaves', async () => {
  await worker.ask('report');
  const { body } = createChatRequest(1024, 'paced');
  const socket = connect(bare.port, '127.0.0.1');
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`);
  socket.write(body);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
  let aborted = 0;
  for (let i = 0; i < 50 && aborted === 0; i++) {
    await sleep(10);
    aborted += (await worker.ask('report')).aborted;
  }
  assert.equal(aborted, 1);
});

/** A proxy that replaces a text in the answers by another of the same length. */
async function startTamperingProxy(find: string, replacement: string): Promise<{ server: Server; port: number }> {
  const server = createServer((downstream) => {
    const upstream = connect(directPort(), '127.0.0.1');
    downstream.pipe(upstream);
    upstream.on('data', (bytes) => {
      downstream.write(Buffer.from(bytes.toString('latin1').replaceAll(find, replacement), 'latin1'));
    });
    for (const socket of [downstream, upstream]) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        downstream.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { server, port: address.port };
}

test('wrong answers are found', async () => {
  const cases: readonly [AnswerKind, string, string, RegExp][] = [
    ['chat', 'HTTP/1.1 200', 'HTTP/1.1 503', /503/],
    ['chat', 'bench-answer', 'bench-answEr', /differs/],
    ['chat', 'chatcmpl-0', 'chatcmpl-1', /differs/],
    ['chat', 'content-length', 'x-ontent-lengt', /length/],
    ['burst', '[DONE]', '[DONE ', /differs/],
    ['paced', ' token12', ' token21', /differs/],
  ];
  for (const [answer, find, replacement, reason] of cases) {
    const { server, port } = await startTamperingProxy(find, replacement);
    const result = await client.ask(createJob(port, answer));
    assert.ok(result.failures > 0, find);
    assert.match(result.firstFailure ?? '', reason);
    server.close();
  }
});

test('a gateway that does not start says why', async () => {
  const target = parseTarget(`broken=${process.execPath} -e process.stderr.write("no-config");process.exit(3)`, []);
  await assert.rejects(startGateway(target, workers, undefined, programPath), /did not start: .*3[\s\S]*no-config/);
  const missing = parseTarget('missing=/no/such/program', []);
  await assert.rejects(startGateway(missing, workers, undefined, programPath), /did not start/);
});
