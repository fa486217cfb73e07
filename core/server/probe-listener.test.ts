import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type GatewayFixture, startGateway } from '../testing/gateway-fixture.js';

const CLUSTERS = `
clusters:
  - { name: up, engine: { type: sim, config: { models: [up] } } }
  - { name: down, models: [down, gone], workers: ["http://127.0.0.1:9"] }
models: { aliases: { nick: up, fallen: down } }
`;
const PROBED = `
listeners:
  - { name: main, host: 127.0.0.1, port: 0 }
  - { name: probe, kind: probe, host: 127.0.0.1, port: 0 }
${CLUSTERS}`;

interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks from another thread while this one, and with it the gateway, is blocked: `steps` are paths, each asked until its
 * answer has the wanted status. Returns the answers that had it.
 */
function askWhileBlocked(base: string, steps: readonly (readonly [path: string, status: number])[]): Answer[] {
  const memory = new SharedArrayBuffer(64 * 1024);
  const done = new Int32Array(memory, 0, 2);
  const client = `
    const { workerData: { memory, base, steps } } = require('node:worker_threads');
    (async () => {
      const answers = [];
      for (const [path, status] of steps) {
        for (;;) {
          const response = await fetch(base + path);
          const text = await response.text();
          if (response.status !== status) continue;
          answers.push({ status, text });
          break;
        }
      }
      const bytes = Buffer.from(JSON.stringify(answers));
      Buffer.from(memory, 8).set(bytes);
      const done = new Int32Array(memory, 0, 2);
      done[1] = bytes.length;
      Atomics.store(done, 0, 1);
      Atomics.notify(done, 0);
    })();`;
  void new Worker(client, { eval: true, workerData: { memory, base, steps }, execArgv: [] });
  assert.equal(Atomics.wait(done, 0, 0, 30_000), 'ok', 'no answer while the event loop was blocked');
  return JSON.parse(Buffer.from(memory, 8, done[1]).toString()) as Answer[];
}

describe('a probe listener', { timeout: 60_000 }, () => {
  let gateway: GatewayFixture | undefined;
  afterEach(() => gateway?.close());

  async function start(yaml: string): Promise<{ fixture: GatewayFixture; probe: string }> {
    gateway = await startGateway(yaml);
    return { fixture: gateway, probe: `http://127.0.0.1:${gateway.server.probeAddresses[0]?.port}` };
  }

  async function ask(url: string, method = 'GET'): Promise<Answer> {
    const response = await fetch(url, { method });
    return { status: response.status, text: await response.text() };
  }

  it('serves the three paths and nothing else', async () => {
    const { probe } = await start(PROBED);
    for (const path of ['/liveness', '/health']) assert.deepEqual(await ask(probe + path), { status: 200, text: 'OK' });
    assert.deepEqual(await ask(`${probe}/liveness`, 'HEAD'), { status: 200, text: '' });
    assert.equal((await ask(`${probe}/readiness`)).status, 200);
    for (const path of ['/', '/v1/models', '/metrics', '/liveness/x']) {
      assert.equal((await ask(probe + path)).status, 404, path);
    }
    assert.equal((await ask(`${probe}/readiness`, 'POST')).status, 405);
  });

  it('says which models are not ready, on its own socket only', async () => {
    const { fixture, probe } = await start(PROBED);
    const answer = JSON.parse((await ask(`${probe}/readiness`)).text);
    assert.equal(typeof answer.loop_lag_ms, 'number');
    delete answer.loop_lag_ms;
    const counts = { status: 'ready', healthy_workers: 1, total_workers: 2 };
    assert.deepEqual(answer, { ...counts, models_not_ready: ['down', 'gone', 'fallen'] });
    assert.equal('models_not_ready' in JSON.parse((await ask(`${fixture.url}/readiness`)).text), false);
  });

  it('answers for one model, by any of its names, on both sockets', async () => {
    const { fixture, probe } = await start(PROBED);
    for (const base of [fixture.url, probe]) {
      for (const model of ['up', 'nick']) assert.equal((await ask(`${base}/readiness?model=${model}`)).status, 200);
      for (const [model, reason] of [
        ['down', 'insufficient healthy workers'],
        ['fallen', 'insufficient healthy workers'],
        ['nobody', 'no worker serves this model'],
      ]) {
        const { status, text } = await ask(`${base}/readiness?model=${model}`);
        assert.equal(status, 503);
        const body = JSON.parse(text);
        assert.deepEqual([body.status, body.reason, body.model], ['not ready', reason, model]);
      }
    }
  });

  it('answers while the event loop is blocked, and says so in the end', async () => {
    const { probe } = await start(`${PROBED}runtime: { probes: { readiness_lag: 700ms, liveness_lag: 1500ms } }\n`);
    const answers = askWhileBlocked(probe, [
      ['/readiness', 200],
      ['/liveness', 200],
      ['/readiness', 503],
      ['/liveness', 503],
      ['/health', 503],
    ]);
    const [ready, , lagging, dead] = answers.map(({ text }) => text) as [string, string, string, string];
    assert.equal(JSON.parse(ready).status, 'ready');
    const { reason, loop_lag_ms: lagMs } = JSON.parse(lagging);
    assert.equal(reason, 'event loop blocked');
    assert.ok(lagMs >= 700);
    assert.equal(dead, 'event loop blocked');
    // It recovers by itself once the loop runs.
    while ((await ask(`${probe}/readiness`)).status !== 200) await sleep(20);
    assert.equal((await ask(`${probe}/liveness`)).status, 200);
  });

  it('is told at once that the gateway drains', async () => {
    const { fixture, probe } = await start(`${PROBED}runtime: { shutdown: { grace: 20s, settle: 0s } }\n`);
    const drained = fixture.server.drain();
    const { status, text } = await ask(`${probe}/readiness`);
    assert.deepEqual([status, JSON.parse(text)], [503, { status: 'not ready', reason: 'draining' }]);
    assert.equal((await ask(`${probe}/liveness`)).status, 200);
    assert.equal(await drained, true);
  });

  it('sees workers that come with a reload, and goes on over it on the same socket', async () => {
    const { fixture, probe } = await start(PROBED.replaceAll('engine: { type: sim', 'engine: { type: sim, count: 1'));
    const result = await fixture.reload(PROBED.replace('type: sim,', 'type: sim, count: 3,'));
    assert.equal(result.ok, true);
    assert.equal(`http://127.0.0.1:${fixture.server.probeAddresses[0]?.port}`, probe);
    while (JSON.parse((await ask(`${probe}/readiness`)).text).total_workers !== 4) await sleep(20);
  });

  it('is opened and closed by reloads', async () => {
    const { fixture, probe } = await start(PROBED);
    const without = `listeners: [{ name: main, host: 127.0.0.1, port: 0 }]\n${CLUSTERS}`;
    assert.equal((await fixture.reload(without)).ok, true);
    assert.deepEqual(fixture.server.probeAddresses, []);
    for (;;) {
      const refused = await ask(`${probe}/liveness`).then(
        () => false,
        () => true,
      );
      if (refused) break;
      await sleep(20);
    }
  });

  it('that cannot be bound is an error of the start that leaves nothing open', async () => {
    const { fixture } = await start(PROBED);
    const port = fixture.server.probeAddresses[0]?.port;
    const taken = PROBED.replace(
      'kind: probe, host: 127.0.0.1, port: 0',
      `kind: probe, host: 127.0.0.1, port: ${port}`,
    );
    await assert.rejects(startGateway(taken), { code: 'EADDRINUSE' });
  });
});
