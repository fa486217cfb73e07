import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { type RawAnswer, type RawProtocol, rawPost } from './raw-client.js';
import { openSilentListener, type SilentListener } from './silent-listener.js';

/** The worker must see within this time that the client has left, ms. */
const ABORT_LIMIT_MS = 100;

interface Api {
  readonly name: string;
  readonly path: string;
  readonly streams: boolean;
  readonly body: object;
}

const APIS: readonly Api[] = [
  {
    name: 'chat',
    path: '/v1/chat/completions',
    streams: true,
    body: { model: 'm', messages: [{ role: 'user', content: 'Tell me something long' }], max_tokens: 64 },
  },
  { name: 'completions', path: '/v1/completions', streams: true, body: { model: 'm', prompt: 'Once', max_tokens: 64 } },
  {
    name: 'generate',
    path: '/generate',
    streams: true,
    body: { model: 'm', text: 'Once', sampling_params: { max_new_tokens: 64 } },
  },
  { name: 'embeddings', path: '/v1/embeddings', streams: false, body: { model: 'm', input: 'Once' } },
];

/** What the worker does, and what the client must see of it. */
interface WorkerFault {
  readonly name: string;
  readonly fault: string;
  /** Fault shows only in answers that stream. */
  readonly streamOnly?: boolean;
  check(answer: RawAnswer, stream: boolean): void;
}

function assertError(answer: RawAnswer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.body);
  assert.equal((JSON.parse(answer.body) as { error: { code: string } }).error.code, code);
  assert.equal(answer.complete, true);
}

/** A response that began and was cut: in band where it streams, a broken message otherwise. */
function assertCut(answer: RawAnswer, stream: boolean): void {
  if (!stream) {
    if (answer.status === 200) assert.equal(answer.complete, false, 'a cut body looked complete');
    else assert.equal(answer.status, 502);
    return;
  }
  assert.equal(answer.status, 200);
  assert.doesNotMatch(answer.body, /\[DONE\]/);
  const events = answer.body.trim().split('\n\n');
  const last = events.at(-1) ?? '';
  const error = JSON.parse(last.replace(/^data: /, '')) as { error?: { code: string } };
  assert.ok(error.error?.code.startsWith('upstream_'), last);
}

const WORKER_FAULTS: readonly WorkerFault[] = [
  { name: 'stalls before the first byte', fault: 'stall=0', check: (a) => assertError(a, 504, 'upstream_timeout') },
  { name: 'resets before the first byte', fault: 'refuse', check: (a) => assertError(a, 502, 'upstream_reset') },
  { name: 'resets after the first byte', fault: 'cut=2', check: assertCut },
  { name: 'closes in mid-body', fault: 'eof=2', check: assertCut },
  { name: 'stalls in mid-stream', fault: 'stall=2', streamOnly: true, check: assertCut },
  { name: 'ends without terminator', fault: 'cut_clean=2', streamOnly: true, check: assertCut },
  { name: 'sends garbage', fault: 'garbage', check: (a) => assertError(a, 502, 'upstream_protocol_error') },
  { name: 'breaks its framing', fault: 'garbage_chunk=2', streamOnly: true, check: assertCut },
  { name: 'answers 429', fault: 'status=429;retry_after=7', check: (a) => assert.equal(a.status, 429) },
  { name: 'answers 503', fault: 'status=503', check: (a) => assert.equal(a.status, 503) },
  { name: 'answers 500', fault: 'status=500', check: (a) => assert.equal(a.status, 500) },
];

const results = new Map<string, Map<string, string>>();

function record(row: string, column: string, outcome: string): void {
  let cells = results.get(row);
  if (cells === undefined) {
    cells = new Map();
    results.set(row, cells);
  }
  cells.set(column, outcome);
}

describe('kill matrix', () => {
  let sim: RunningSim;
  let silent: SilentListener;
  let gateway: GatewayFixture;
  let hanging: GatewayFixture;
  let refused: GatewayFixture;
  let limited: GatewayFixture;

  before(async () => {
    sim = await startTestSim({ models: ['m'], ttft: '5ms', itl: '2ms', output_tokens: '64' });
    silent = await openSilentListener();
    const config = (url: string): string => `
clusters:
  - name: c
    health: off
    timeouts: { connect: 5s, first_byte: 300ms, idle: 300ms }
    workers: [{ url: "${url}", models: [m], runtime: sglang }]
resilience: { retry: off }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`;
    gateway = await startGateway(config(sim.url));
    hanging = await startGateway(config(`http://127.0.0.1:${silent.port}`));
    refused = await startGateway(config('http://127.0.0.1:1'));
    limited = await startGateway(`${config(sim.url).replaceAll('300ms', '60s')}limits: { concurrency: 1 }\n`);
  });

  after(async () => {
    await gateway.close();
    await hanging.close();
    await refused.close();
    await limited.close();
    await sim.close();
    silent.close();
    printTable();
  });

  for (const protocol of ['h1', 'h2'] as const) {
    for (const api of APIS) {
      for (const stream of api.streams ? [false, true] : [false]) {
        const column = `${protocol} ${api.name}${stream ? ' stream' : ''}`;
        const body = stream ? { ...api.body, stream: true } : api.body;
        leaveCases(column, protocol, api, body, stream);
        faultCases(column, protocol, api, body, stream);
      }
    }
  }

  function leaveCases(column: string, protocol: RawProtocol, api: Api, body: object, stream: boolean): void {
    it(`${column}: client leaves while queued`, async () => {
      const { received, aborted } = sim.stats();
      const holder = rawPost('h1', limited.port, api.path, body, { 'x-sim-fault': 'stall=0' });
      await until(() => sim.stats().received === received + 1);
      const request = rawPost(protocol, limited.port, api.path, body);
      await untilMetric(limited, 'smg_admission_queue_depth', 1);
      request.leave();
      await untilMetric(limited, 'smg_admission_queue_depth', 0);
      assert.equal((await request.answer).status, 0);
      holder.leave();
      await until(() => sim.stats().aborted === aborted + 1);
      await settled(limited);
      assert.equal(sim.stats().received, received + 1, 'the worker saw a request whose client had left');
      record('client leaves while queued', column, 'ok');
    });

    it(`${column}: client leaves while connecting`, async () => {
      const request = rawPost(protocol, hanging.port, api.path, body);
      await until(() => hanging.server.generation.streams === 1);
      request.leave();
      await settled(hanging);
      record('client leaves while connecting', column, 'ok');
    });

    it(`${column}: client leaves while waiting for the first byte`, async () => {
      const { aborted } = sim.stats();
      const request = rawPost(protocol, gateway.port, api.path, body, { 'x-sim-fault': 'stall=0' });
      await until(() => sim.stats().inFlight === 1);
      const leftMs = performance.now();
      request.leave();
      await until(() => sim.stats().aborted === aborted + 1);
      const delayMs = (sim.stats().lastAbortMs ?? 0) - leftMs;
      assert.ok(delayMs < ABORT_LIMIT_MS, `the worker saw the abort after ${delayMs} ms`);
      await settled(gateway);
      record('client leaves before the first byte', column, `${delayMs.toFixed(0)} ms`);
    });

    if (!stream) return;
    it(`${column}: client leaves in mid-stream`, async () => {
      const { aborted } = sim.stats();
      const request = rawPost(protocol, gateway.port, api.path, body, { 'x-sim-fault': 'stall=3' });
      await request.firstByte;
      const leftMs = performance.now();
      request.leave();
      await until(() => sim.stats().aborted === aborted + 1);
      const delayMs = (sim.stats().lastAbortMs ?? 0) - leftMs;
      assert.ok(delayMs < ABORT_LIMIT_MS, `the worker saw the abort after ${delayMs} ms`);
      await settled(gateway);
      record('client leaves in mid-stream', column, `${delayMs.toFixed(0)} ms`);
    });
  }

  function faultCases(column: string, protocol: RawProtocol, api: Api, body: object, stream: boolean): void {
    it(`${column}: worker refuses the connection`, async () => {
      assertError(await rawPost(protocol, refused.port, api.path, body).answer, 502, 'upstream_connect_failed');
      await settled(refused);
      record('worker refuses', column, '502');
    });

    for (const fault of WORKER_FAULTS) {
      if (fault.streamOnly === true && !stream) continue;
      it(`${column}: worker ${fault.name}`, async () => {
        const answer = await rawPost(protocol, gateway.port, api.path, body, { 'x-sim-fault': fault.fault }).answer;
        fault.check(answer, stream);
        await settled(gateway);
        const told = answer.status === 200 ? (stream ? 'error event' : 'cut') : String(answer.status);
        record(`worker ${fault.name}`, column, told);
      });
    }
  }
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(2);
  }
  assert.fail(`never came true: ${condition}`);
}

async function untilMetric(gateway: GatewayFixture, name: string, value: number): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if ((await gateway.metricsText()).includes(`\n${name} ${value}\n`)) return;
    await sleep(2);
  }
  assert.fail(`${name} never became ${value}`);
}

/** Every counter that a request moves is back at zero. */
async function settled(gateway: GatewayFixture): Promise<void> {
  await until(() => gateway.server.generation.streams === 0);
  for (const worker of gateway.server.services.registry.list()) assert.equal(worker.inFlight, 0);
  const metrics = await gateway.metricsText();
  for (const line of metrics.split('\n')) {
    if (/^smg_\w*(in_flight|inflight|active|queue_depth)\w*(\{| )/.test(line) && !line.includes('_bucket')) {
      assert.match(line, / 0$/, line);
    }
  }
}

function printTable(): void {
  const columns = [...new Set([...results.values()].flatMap((cells) => [...cells.keys()]))];
  const rows = [
    `| | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...[...results].map(
      ([row, cells]) => `| ${row} | ${columns.map((column) => cells.get(column) ?? '–').join(' | ')} |`,
    ),
  ];
  console.log(rows.join('\n'));
}
