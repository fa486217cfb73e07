import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import {
  ABORT_LIMIT_MS,
  APIS,
  type Api,
  assertCut,
  assertError,
  MatrixTable,
  settled,
  until,
  untilMetric,
} from './kill-matrix-cases.js';
import { type RawAnswer, type RawProtocol, rawPost } from './raw-client.js';
import { openSilentListener, type SilentListener } from './silent-listener.js';

/** What the worker does, and what the client must see of it. */
interface WorkerFault {
  readonly name: string;
  readonly fault: string;
  /** Fault shows only in answers that stream. */
  readonly streamOnly?: boolean;
  check(answer: RawAnswer, stream: boolean): void;
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

const table = new MatrixTable();

describe('kill matrix', () => {
  let sim: RunningSim;
  let silent: SilentListener;
  let gateway: GatewayFixture;
  let hanging: GatewayFixture;
  let refused: GatewayFixture;
  let broken: GatewayFixture;
  let limited: GatewayFixture;

  before(async () => {
    sim = await startTestSim({ models: ['m'], ttft: '5ms', itl: '2ms', output_tokens: '64' });
    silent = await openSilentListener();
    // Faults are meant to reach the worker each time.
    const config = (url: string, breaker = 'off'): string => `
clusters:
  - name: c
    health: off
    timeouts: { connect: 5s, first_byte: 300ms, idle: 300ms }
    workers: [{ url: "${url}", models: [m], runtime: sglang }]
resilience: { retry: off, circuit_breaker: ${breaker} }
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`;
    gateway = await startGateway(config(sim.url));
    hanging = await startGateway(config(`http://127.0.0.1:${silent.port}`));
    refused = await startGateway(config('http://127.0.0.1:1'));
    broken = await startGateway(config(sim.url, '{ failures: 1 }'));
    await rawPost('h1', broken.port, '/v1/embeddings', { model: 'm', input: 'x' }, { 'x-sim-fault': 'status=500' })
      .answer;
    limited = await startGateway(`${config(sim.url).replaceAll('300ms', '60s')}limits: { concurrency: 1 }\n`);
  });

  after(async () => {
    await gateway.close();
    await hanging.close();
    await refused.close();
    await broken.close();
    await limited.close();
    await sim.close();
    silent.close();
    table.print();
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
      table.record('client leaves while queued', column, 'ok');
    });

    it(`${column}: client leaves while connecting`, async () => {
      const request = rawPost(protocol, hanging.port, api.path, body);
      await until(() => hanging.server.generation.streams === 1);
      request.leave();
      await settled(hanging);
      table.record('client leaves while connecting', column, 'ok');
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
      table.record('client leaves before the first byte', column, `${delayMs.toFixed(0)} ms`);
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
      table.record('client leaves in mid-stream', column, `${delayMs.toFixed(0)} ms`);
    });
  }

  function faultCases(column: string, protocol: RawProtocol, api: Api, body: object, stream: boolean): void {
    it(`${column}: worker refuses the connection`, async () => {
      assertError(await rawPost(protocol, refused.port, api.path, body).answer, 502, 'upstream_connect_failed');
      await settled(refused);
      table.record('worker refuses', column, '502');
    });

    it(`${column}: breaker open`, async () => {
      const { received } = sim.stats();
      const response = await rawPost(protocol, broken.port, api.path, body).answer;
      assertError(response, 503, 'no_available_workers');
      await settled(broken);
      assert.equal(sim.stats().received, received, 'something was dispatched');
    });

    for (const fault of WORKER_FAULTS) {
      if (fault.streamOnly === true && !stream) continue;
      it(`${column}: worker ${fault.name}`, async () => {
        const answer = await rawPost(protocol, gateway.port, api.path, body, { 'x-sim-fault': fault.fault }).answer;
        fault.check(answer, stream);
        await settled(gateway);
        const told = answer.status === 200 ? (stream ? 'error event' : 'cut') : String(answer.status);
        table.record(`worker ${fault.name}`, column, told);
      });
    }
  }
});
