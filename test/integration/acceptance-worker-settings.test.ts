import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Fleet } from './acceptance-fixture.js';

describe('settings of one worker: circuit breaker', () => {
  const fleet = new Fleet();
  afterEach(() => fleet.close());

  it('a threshold of its own, over that of the gateway; the record shows it', async () => {
    const broken = await fleet.sim({ fault: 'status=500' });
    await fleet.start('resilience: { retry: off }');
    const resilience = { cb_failure_threshold: 2, cb_success_threshold: 1, cb_timeout_secs: 60, cb_window_secs: 60 };
    const { json } = await fleet.add({ url: broken.url, resilience });
    assert.deepEqual(json.resilience, resilience);
    assert.deepEqual(await fleet.statuses(5), [500, 500, 503, 503, 503]);
    assert.equal(broken.stats().received, 2);
    assert.equal((await fleet.call('GET', `/workers/${json.id}`)).json.available, false);
  });

  it('none at all, beside a gateway that has one; PUT without the block brings it back', async () => {
    const broken = await fleet.sim({ fault: 'status=500' });
    await fleet.start('resilience: { retry: off, circuit_breaker: { failures: 2 } }');
    const { json } = await fleet.add({ url: broken.url, resilience: { disable_circuit_breaker: true } });
    assert.deepEqual(await fleet.statuses(5), [500, 500, 500, 500, 500]);
    await fleet.call('PATCH', `/workers/${json.id}`, { priority: 60 });
    assert.deepEqual(await fleet.statuses(2), [500, 500], 'PATCH leaves it alone');
    await fleet.call('PUT', `/workers/${json.id}`, { url: broken.url });
    assert.equal((await fleet.call('GET', `/workers/${json.id}`)).json.resilience, undefined);
    assert.deepEqual(await fleet.statuses(4), [500, 500, 503, 503]);
  });

  it('one where the gateway has none', async () => {
    const broken = await fleet.sim({ fault: 'status=500' });
    await fleet.start('resilience: { retry: off, circuit_breaker: off }');
    await fleet.add({ url: broken.url, resilience: { cb_failure_threshold: 2 } });
    assert.deepEqual(await fleet.statuses(3), [500, 500, 503]);
  });

  it('its failures and its signs of being full are other statuses', async () => {
    const sim = await fleet.sim({ fault: 'status=500' });
    await fleet.start('resilience: { retry: off }');
    const resilience = { cb_failure_threshold: 2, retryable_status_codes: [404], capacity_status_codes: [500] };
    await fleet.add({ url: sim.url, resilience });
    assert.deepEqual(await fleet.statuses(4), [500, 500, 500, 500], 'neutral');
    await sim.setFault('status=404');
    assert.deepEqual(await fleet.statuses(3), [404, 404, 503]);
  });

  it('what it cannot have is refused by name', async () => {
    const { url } = await fleet.sim();
    await fleet.start();
    const cases: [object, RegExp][] = [
      [{ resilience: { max_retries: 3 } }, /resilience\.max_retries: a worker has no retry settings of its own/],
      [{ resilience: { disable_retry: true } }, /resilience\.disable_retry: /],
      [{ resilience: { cb_failure_threshold: 0 } }, /resilience\.cb_failure_threshold: /],
      [{ resilience: { cb_timeout_secs: 0 } }, /resilience\.cb_timeout_secs: /],
      [{ resilience: { retryable_status_codes: [42] } }, /resilience\.retryable_status_codes\.0: /],
      [{ resilience: { threshold: 1 } }, /resilience\.threshold: unknown field/],
      [{ overload: { waiting_requests: 0 } }, /overload\.waiting_requests: /],
      [{ overload: { token_usage: 1.5 } }, /overload\.token_usage: /],
      [{ overload: { kv_usage: 0.5 } }, /overload\.kv_usage: unknown field/],
      [{ load_monitor_interval_secs: 0 }, /load_monitor_interval_secs: /],
    ];
    for (const [fields, message] of cases) {
      const answer = await fleet.call('POST', '/workers', { url, ...fields });
      assert.deepEqual([answer.status, answer.json.code], [400, 'BAD_REQUEST'], JSON.stringify(fields));
      assert.match(answer.json.error, message);
    }
    assert.equal((await fleet.call('GET', '/workers')).json.total, 0);
  });
});

describe('settings of one worker: overload', () => {
  const fleet = new Fleet();
  const abort = new AbortController();
  afterEach(() => fleet.close());

  it('a limit of its own protects it alone, where the gateway protects nobody', async () => {
    const slow = { max_batch: 1, itl: '20ms', output_tokens: '400' };
    const [guarded, other] = [await fleet.sim(slow), await fleet.sim(slow)];
    await fleet.start('resilience: { overload: off }');
    const { json } = await fleet.add({
      url: guarded.url,
      overload: { waiting_requests: 2 },
      load_monitor_interval_secs: 1,
    });
    assert.deepEqual([json.overload, json.load_monitor_interval_secs], [{ waiting_requests: 2 }, 1]);
    const unguarded = await fleet.add({ url: other.url });
    for (const { url } of [guarded, other]) for (let i = 0; i < 3; i++) load(url, abort.signal);
    const flagged = await fleet.until(json.id, (view) => view.overloaded === true);
    assert.equal(flagged.engine_load.loads[0].num_waiting_reqs, 2, 'flagged at the limit, not above it');
    const before = (await fleet.call('GET', `/workers/${unguarded.json.id}`)).json;
    assert.deepEqual([before.overloaded, before.engine_load], [false, undefined], 'nobody asks for what nobody needs');
    const request = fleet.chat();
    await fleet.until(unguarded.json.id, (view) => view.load === 1);
    abort.abort();
    assert.equal((await request).status, 200);
    assert.equal(guarded.stats().received, 3, 'only what was put there past the gateway');
    await fleet.until(json.id, (view) => view.overloaded === false);
  });
});

/** Puts one long request on an engine, past the gateway. */
function load(url: string, signal: AbortSignal): void {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'long' }] });
  fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal })
    .then((response) => response.text())
    // Aborted at the end of the test: nothing waits for the answer.
    .catch(() => {});
}
