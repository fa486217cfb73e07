import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { ABORT_LIMIT_MS, APIS, assertCut, assertError, MatrixTable, settled, until } from './kill-matrix-cases.js';
import { type RawProtocol, rawPost } from './raw-client.js';

const table = new MatrixTable();

describe('kill matrix: workers that drain', () => {
  let sim: RunningSim;
  let spare: RunningSim;
  let gateway: GatewayFixture;

  before(async () => {
    const timing = { ttft: '5ms', itl: '2ms', output_tokens: '64' } as const;
    sim = await startTestSim({ name: 'first', models: ['m'], ...timing });
    spare = await startTestSim({ name: 'spare', models: ['m'], ...timing });
    gateway = await startGateway(`
clusters: [{ name: c, timeouts: { first_byte: 0, idle: 0 } }]
filters: [{ preset: standard }, { name: upstream, config: { forward_headers: [x-sim-fault] } }]
`);
  });

  after(async () => {
    await gateway.close();
    await sim.close();
    await spare.close();
    table.print();
  });

  async function addWorker(url: string): Promise<string> {
    const response = await fetch(`${gateway.url}/workers?wait=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url, runtime: 'sglang', models: ['m'] }),
    });
    assert.equal(response.status, 200);
    return ((await response.json()) as { id: string }).id;
  }

  async function removeWorker(id: string, query = ''): Promise<void> {
    const response = await fetch(`${gateway.url}/workers/${id}${query}`, { method: 'DELETE' });
    assert.equal(response.status, 202);
  }

  const isGone = (id: string) => (): boolean => gateway.server.services.registry.get(id) === undefined;

  for (const protocol of ['h1', 'h2'] as const) {
    for (const api of APIS) {
      for (const stream of api.streams ? [false, true] : [false]) {
        const column = `${protocol} ${api.name}${stream ? ' stream' : ''}`;
        const body = stream ? { ...api.body, stream: true } : api.body;
        cases(column, protocol, api.path, body, stream);
      }
    }
  }

  function cases(column: string, protocol: RawProtocol, path: string, body: object, stream: boolean): void {
    const post = (fault?: string): ReturnType<typeof rawPost> =>
      rawPost(protocol, gateway.port, path, body, fault === undefined ? {} : { 'x-sim-fault': fault });

    it(`${column}: the request ends in peace, and the worker with it`, async () => {
      const id = await addWorker(sim.url);
      const request = post('slow_first_token=80');
      await until(() => sim.stats().inFlight === 1);
      await removeWorker(id);
      assertError(await post().answer, 404, 'model_not_found');
      const answer = await request.answer;
      assert.deepEqual([answer.status, answer.complete], [200, true]);
      await until(isGone(id));
      await settled(gateway);
      table.record('worker drains: request ends', column, '200');
    });

    it(`${column}: the client leaves, and the worker goes`, async () => {
      const id = await addWorker(sim.url);
      const { aborted } = sim.stats();
      const request = post('stall=0');
      await until(() => sim.stats().inFlight === 1);
      await removeWorker(id);
      const leftMs = performance.now();
      request.leave();
      await until(() => sim.stats().aborted === aborted + 1);
      const delayMs = (sim.stats().lastAbortMs ?? 0) - leftMs;
      assert.ok(delayMs < ABORT_LIMIT_MS, `the worker saw the abort after ${delayMs} ms`);
      await until(isGone(id));
      await settled(gateway);
      table.record('worker drains: client leaves', column, `${delayMs.toFixed(0)} ms`);
    });

    it(`${column}: cut before the first byte, another worker answers`, async () => {
      const id = await addWorker(sim.url);
      const request = post('stall=0;worker=first');
      await until(() => sim.stats().inFlight === 1);
      const spareId = await addWorker(spare.url);
      await removeWorker(id, '?drain=force');
      const answer = await request.answer;
      assert.deepEqual([answer.status, answer.complete], [200, true]);
      await removeWorker(spareId);
      await until(isGone(id));
      await until(isGone(spareId));
      await settled(gateway);
      table.record('worker is cut before the first byte', column, '200 from another');
    });

    if (!stream) return;
    it(`${column}: cut in mid-stream`, async () => {
      const id = await addWorker(sim.url);
      const request = post('stall=3');
      await request.firstByte;
      await removeWorker(id, '?drain=force');
      assertCut(await request.answer, true);
      await until(isGone(id));
      await settled(gateway);
      table.record('worker is cut in mid-stream', column, 'error event');
    });
  }
});
