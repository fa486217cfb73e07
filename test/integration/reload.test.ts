import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type GatewayFixture, startGateway } from '../../core/testing/gateway-fixture.js';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import type { RunningSim } from '../../plugins/engine/sim/server.js';
import { type RawRequest, rawPost } from './raw-client.js';

const CHAT = '/v1/chat/completions';
const body = (stream: boolean): object => ({
  model: 'm',
  stream,
  max_tokens: 40,
  messages: [{ role: 'user', content: 'hello' }],
});

describe('reload', () => {
  let sims: RunningSim[];
  let gateway: GatewayFixture;

  const yaml = (workers: readonly RunningSim[], extra = ''): string => `
clusters:
  - name: c
    policy: round_robin
    health: off
    workers: [${workers.map((sim) => `{ url: "${sim.url}", models: [m] }`).join(', ')}]
${extra}
`;

  before(async () => {
    sims = await Promise.all(
      ['a', 'b'].map((name) => startTestSim({ name, models: ['m'], ttft: '1ms', itl: '5ms', output_tokens: '40' })),
    );
    gateway = await startGateway(yaml(sims.slice(0, 1)));
  });

  after(async () => {
    await gateway.close();
    for (const sim of sims) await sim.close();
  });

  it('moves new requests and lets streams end where they began, 200 times over', async () => {
    const open: RawRequest[] = [];
    const answers: Promise<void>[] = [];
    for (let round = 0; round < 200; round++) {
      if (round % 4 === 0) {
        const request = rawPost('h1', gateway.port, CHAT, body(true));
        open.push(request);
        answers.push(
          request.answer.then((answer) => {
            assert.equal(answer.status, 200);
            assert.equal(answer.complete, true);
            assert.match(answer.body, /data: \[DONE\]\n\n$/);
          }),
        );
      }
      const [a, b] = sims as [RunningSim, RunningSim];
      const result = await gateway.reload(yaml(round % 2 === 0 ? [b] : [a]));
      assert.equal(result.ok, true);
    }
    await Promise.all(answers);
    assert.equal(open.length, 50);
    for (let i = 0; i < 500 && gateway.server.generationCount > 1; i++) await new Promise((r) => setTimeout(r, 2));
    assert.equal(gateway.server.generationCount, 1);
    assert.equal(gateway.server.services.registry.list().length, 1);
  });

  it('keeps a worker that did not change: same record, same sockets', async () => {
    await gateway.reload(yaml(sims));
    const before = gateway.server.services.registry.list();
    await rawPost('h1', gateway.port, CHAT, body(false)).answer;
    await gateway.reload(yaml(sims, 'models: { aliases: { x: m } }'));
    assert.deepEqual(gateway.server.services.registry.list(), before);
    assert.match(gateway.logText(), /filter \\"model\\" changed/);
  });

  it('keeps the old configuration when the new one is broken, and says where', async () => {
    const generation = gateway.server.generation;
    const result = await gateway.reload(`${yaml(sims)}\nrouts: []\n`);
    assert.equal(result.ok, false);
    assert.equal(gateway.server.generation, generation);
    assert.match(gateway.logText(), /gateway\.yaml:\d+:\d+ routs.*did you mean \\"routes/);
    assert.equal((await rawPost('h1', gateway.port, CHAT, body(false)).answer).status, 200);
    assert.match(await gateway.metricsText(), /smg_config_last_reload_successful 0/);
  });

  it('keeps the old configuration when a new listener cannot be bound', async () => {
    const generation = gateway.server.generation;
    const taken = sims[0]?.port;
    const listeners = `listeners: [{ name: main, host: 127.0.0.1, port: 0 }, { name: more, host: 127.0.0.1, port: ${taken} }]`;
    const result = await gateway.reload(yaml(sims, listeners));
    assert.equal(result.ok, false);
    assert.equal(gateway.server.generation, generation);
    assert.equal((await rawPost('h1', gateway.port, CHAT, body(false)).answer).status, 200);
  });
});
