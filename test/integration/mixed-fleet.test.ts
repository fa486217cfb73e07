import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { startTestSim } from '../../core/testing/sim-fixture.js';
import { type Answer, Fleet } from './acceptance-fixture.js';

const YAML = `
clusters: [{ policy: round_robin, load: { poll_every: 1s }, health: { every: 100ms, unhealthy_after: 2 } }]
`;

/** Nobody stated anything about these engines: everything is found out. */
describe('a mixed fleet: two models on SGLang, vLLM and a plain OpenAI server', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('is made out, listed and routed by model', async () => {
    const sglang = await fleet.sim({ runtime: 'sglang', models: ['llama'], context_length: 8_192 });
    const vllm = await fleet.sim({ runtime: 'vllm', models: ['qwen'], context_length: 16_384 });
    const plain = await fleet.sim({ runtime: 'openai', models: ['llama'] });
    await fleet.start(YAML);
    const views: Answer['json'][] = [];
    for (const { url } of [sglang, vllm, plain]) views.push((await fleet.add({ url })).json);
    assert.deepEqual(
      views.map((view) => [view.runtime, view.backend, view.model_id, view.models[0].context_length, view.status]),
      [
        ['sglang', 'sglang_http', 'llama', 8_192, 'ready'],
        ['vllm', 'vllm_http', 'qwen', 16_384, 'ready'],
        ['generic', 'openai_compatible', 'llama', undefined, 'ready'],
      ],
    );
    const models = (await fleet.call('GET', '/v1/models')).json.data.map(({ id }: { id: string }) => id);
    assert.deepEqual(models.sort(), ['llama', 'qwen']);

    for (const model of ['llama', 'qwen', 'llama', 'qwen', 'llama', 'llama']) {
      const answer = await fleet.chat(model);
      assert.deepEqual([answer.status, answer.json.model], [200, model]);
    }
    assert.deepEqual(
      [sglang, vllm, plain].map((sim) => sim.stats().received),
      [2, 2, 2],
    );
    assert.equal((await fleet.chat('gemma')).status, 404);
  });

  it('one is killed, the others serve on; it is back under its old id as soon as it answers', async () => {
    const sglang = await fleet.sim({ runtime: 'sglang', models: ['llama'] });
    const first = await startTestSim({ runtime: 'vllm', models: ['qwen'], ttft: '1ms', itl: 0 });
    const { url } = first;
    await fleet.start(`${YAML}resilience: { retry: off }`);
    await fleet.add({ url: sglang.url });
    const { json } = await fleet.add({ url });
    assert.equal((await fleet.chat('qwen')).status, 200);

    await first.close();
    const refused = await fleet.chat('qwen');
    // Probes may have seen it first.
    assert.ok([502, 503].includes(refused.status), String(refused.status));
    assert.doesNotMatch(JSON.stringify(refused.json), new RegExp(new URL(url).port));
    const down = await fleet.until(json.id, (view) => view.status === 'not_ready');
    assert.match(down.status_reason, /connect/);
    const gone = await fleet.chat('qwen');
    assert.deepEqual([gone.status, gone.json.error.code], [503, 'no_available_workers']);
    assert.notEqual(gone.headers.get('retry-after'), null);
    assert.equal((await fleet.chat('llama')).status, 200);

    const port = Number(new URL(url).port);
    await fleet.sim({ runtime: 'vllm', models: ['qwen'], port });
    const back = await fleet.until(json.id, (view) => view.status === 'ready' && view.available);
    assert.deepEqual([back.id, back.runtime], [json.id, 'vllm']);
    assert.equal((await fleet.chat('qwen')).status, 200);
  });

  it('load and KV usage are read from what each engine offers, and shown', async () => {
    const busy = { itl: '20ms', output_tokens: '400', kv_blocks: 128 };
    const sglang = await fleet.sim({ ...busy, runtime: 'sglang', models: ['llama'] });
    const vllm = await fleet.sim({ ...busy, runtime: 'vllm', models: ['qwen'] });
    const plain = await fleet.sim({ runtime: 'openai', models: ['gemma'] });
    await fleet.start(YAML);
    const ids: string[] = [];
    for (const { url } of [sglang, vllm, plain]) ids.push((await fleet.add({ url })).json.id);
    const [sglangId = '', vllmId = '', plainId = ''] = ids;
    const requests = [fleet.chat('llama'), fleet.chat('qwen')];

    const running = (view: Answer['json']): boolean => view.engine_load?.loads[0].num_running_reqs === 1;
    const full = (await fleet.until(sglangId, running)).engine_load;
    assert.match(full.timestamp, /^\d{4}-\d\d-\d\dT/);
    assert.equal(full.version, '0.5.4');
    assert.equal(full.dp_rank_count, 1);
    const [rank] = full.loads;
    assert.equal(rank.max_total_num_tokens, 128 * 16);
    assert.ok(rank.num_used_tokens > 0 && rank.token_usage > 0 && rank.token_usage <= 1, JSON.stringify(rank));
    const [gauges] = (await fleet.until(vllmId, running)).engine_load.loads;
    assert.ok(gauges.token_usage > 0, 'from /metrics');
    assert.equal(gauges.num_used_tokens, undefined, 'what vLLM does not tell is unknown, not 0');
    assert.equal((await fleet.call('GET', `/workers/${plainId}`)).json.engine_load, undefined);

    const loads = (await fleet.call('GET', '/get_loads')).json;
    assert.match(loads.version, /^smg-/);
    assert.equal(loads.dp_rank_count, 2);
    const shown = loads.loads.map((entry: { worker: string; worker_type: string }) => [
      entry.worker,
      entry.worker_type,
    ]);
    assert.deepEqual(
      shown.sort(),
      [
        [sglang.url, 'regular'],
        [vllm.url, 'regular'],
      ].sort(),
    );
    assert.equal(loads.aggregate.total_running_reqs, 2);
    assert.equal(loads.aggregate.total_waiting_reqs, 0);
    assert.ok(loads.aggregate.avg_token_usage > 0);
    const told = loads.loads.filter((entry: { gen_throughput?: number }) => entry.gen_throughput !== undefined);
    assert.equal(told.length, 1, 'vLLM does not tell it');
    assert.equal(loads.aggregate.avg_throughput, told[0].gen_throughput);
    const open = (await fleet.call('GET', '/loads?model=qwen')).json;
    assert.deepEqual(
      open.loads.map((entry: { worker: string }) => entry.worker),
      [vllmId],
    );
    assert.doesNotMatch(JSON.stringify(open), /127\.0\.0\.1/);
    const nobody = (await fleet.call('GET', '/loads?model=gemma')).json;
    assert.deepEqual([nobody.loads, nobody.dp_rank_count, nobody.aggregate], [[], 0, undefined]);
    for (const answer of await Promise.all(requests)) assert.equal(answer.status, 200);
  });

  it('the loads of all are for administrators, those without addresses for tenants too', async () => {
    await fleet.start('auth: { api_key: shared, tenants: [{ id: red, key: red-key }] }');
    const statusOf = async (path: string, key?: string): Promise<number> =>
      (await fleet.call('GET', path, undefined, key === undefined ? {} : { authorization: `Bearer ${key}` })).status;
    assert.deepEqual([await statusOf('/loads'), await statusOf('/get_loads')], [401, 401]);
    assert.deepEqual([await statusOf('/loads', 'red-key'), await statusOf('/get_loads', 'red-key')], [200, 401]);
    assert.deepEqual([await statusOf('/loads', 'shared'), await statusOf('/get_loads', 'shared')], [200, 200]);
  });
});
