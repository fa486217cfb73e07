import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Fleet } from './acceptance-fixture.js';

describe('/workers, further rows', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('the list is filtered by model, by alias, and keeps workers that take any model', async () => {
    const [named, other, any] = [await fleet.sim(), await fleet.sim(), await fleet.sim()];
    await fleet.start();
    const card = { id: 'm', aliases: ['nick'] };
    const ids = {
      named: (await fleet.add({ url: named.url, models: [card] })).json.id,
      other: (await fleet.add({ url: other.url, models: ['other'] })).json.id,
      any: (await fleet.add({ url: any.url, runtime: 'external' })).json.id,
    };
    const listed = async (model: string): Promise<Set<string>> => {
      const { json } = await fleet.call('GET', `/workers?model=${model}`);
      assert.equal(json.total, json.workers.length);
      assert.equal(json.stats.regular_count, json.total);
      return new Set(json.workers.map(({ id }: { id: string }) => id));
    };
    assert.deepEqual(await listed('m'), new Set([ids.named, ids.any]));
    assert.deepEqual(await listed('nick'), new Set([ids.named, ids.any]));
    assert.deepEqual(await listed('other'), new Set([ids.other, ids.any]));
    assert.deepEqual(await listed('unknown'), new Set([ids.any]));
    await fleet.call('DELETE', `/workers/${ids.any}?wait=true`);
    const none = await fleet.call('GET', '/workers?model=unknown');
    assert.deepEqual([none.status, none.json.workers], [200, []]);
  });

  it('a PUT beside a DELETE does not bring the worker back', async () => {
    const sim = await fleet.sim();
    await fleet.start();
    const { id } = (await fleet.add({ url: sim.url })).json;
    const path = `/workers/${id}`;
    const [put, removed] = await Promise.all([
      fleet.call('PUT', path, { url: sim.url, priority: 70 }),
      fleet.call('DELETE', `${path}?wait=true`),
    ]);
    assert.ok([202, 404].includes(put.status));
    assert.equal(removed.status, 200);
    assert.equal((await fleet.call('GET', path)).status, 404);
    assert.equal((await fleet.call('PUT', path, { url: sim.url })).status, 404);
    assert.equal((await fleet.call('GET', '/workers')).json.total, 0);
  });

  it('a new key is used at once, without the worker leaving rotation, and never shown', async () => {
    const sim = await fleet.sim({ api_key: 'sk-new-marked' });
    const gateway = await fleet.start('resilience: { retry: off }');
    const added = await fleet.add({ url: sim.url, runtime: 'sglang', models: ['m'], api_key: 'sk-old-marked' });
    const path = `/workers/${added.json.id}`;
    assert.equal((await fleet.chat()).status, 401, 'the worker refuses the old one');
    const patched = await fleet.call('PATCH', path, { api_key: 'sk-new-marked' });
    assert.equal(patched.status, 202);
    const view = (await fleet.call('GET', path)).json;
    assert.equal(view.status, 'ready');
    assert.equal((await fleet.chat()).status, 200);
    const shown = JSON.stringify([added.json, patched.json, view, (await fleet.call('GET', '/workers')).json]);
    assert.doesNotMatch(shown + gateway.logText(), /marked/);
  });

  it('a record that says nothing of the engine is pending until it is made out, and then complete', async () => {
    const sim = await fleet.sim({ context_length: 4_096 });
    await fleet.start();
    const added = await fleet.call('POST', '/workers', { url: sim.url });
    assert.equal(added.status, 202);
    assert.equal(added.headers.get('location'), `/workers/${added.json.worker_id}`);
    assert.match(added.json.worker_id, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    const ready = await fleet.until(added.json.worker_id, (view) => view.status === 'ready');
    assert.equal(ready.job_status, undefined);
    assert.deepEqual([ready.runtime, ready.model_id, ready.models[0].context_length], ['sglang', 'm', 4_096]);
  });
});

describe('model aliases of workers', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('lead to the first that declares them, pass on when it goes, and a model of that name goes before', async () => {
    const [first, second, third] = [
      await fleet.sim({ models: ['one'] }),
      await fleet.sim({ models: ['two'] }),
      await fleet.sim({ models: ['nick'] }),
    ];
    await fleet.start();
    const { id } = (await fleet.add({ url: first.url, models: [{ id: 'one', aliases: ['nick'] }] })).json;
    await fleet.add({ url: second.url, models: [{ id: 'two', aliases: ['nick'] }] });
    const ask = async (): Promise<[number, string]> => {
      const { status, json } = await fleet.chat('nick');
      return [status, json.model];
    };
    // The engines refuse names that are not theirs: an answer proves that they got their own.
    assert.deepEqual(await ask(), [200, 'one']);
    await fleet.call('DELETE', `/workers/${id}?wait=true`);
    assert.deepEqual(await ask(), [200, 'two']);
    const listed = async (): Promise<string[]> =>
      (await fleet.call('GET', '/v1/models')).json.data.map((model: { id: string }) => model.id);
    assert.deepEqual(await listed(), ['two']);
    await fleet.add({ url: third.url });
    assert.deepEqual(await ask(), [200, 'nick']);
    assert.deepEqual((await listed()).sort(), ['nick', 'two']);
  });
});

describe('cloud providers', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('without a key: any model, with the credential of the caller', async () => {
    const { url } = await fleet.sim({ runtime: 'openai', models: ['gpt-4o'], api_key: 'sk-provider' });
    await fleet.start('resilience: { retry: off }');
    const { json } = await fleet.add({ url, runtime: 'external' });
    assert.deepEqual([json.models, json.model_id], [[], undefined]);
    assert.equal((await fleet.chat('gpt-4o', { authorization: 'Bearer sk-provider' })).status, 200);
    assert.equal((await fleet.chat('gpt-4o')).status, 401);
  });
});
