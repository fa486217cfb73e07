import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type FilterFactoryCb, ResponseHeaders } from '../../core/api/index.js';
import { renderPrometheus } from '../../core/telemetry/prometheus-exposition.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { FakeClock } from '../../core/testing/fake-clock.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { createTestKeptState } from '../../core/testing/kept-state.js';
import { configSchema } from './config.js';
import factory from './factory.js';

class Bench {
  readonly clock = new FakeClock();
  readonly store = new StatsStore();
  readonly kept = createTestKeptState();
  #factory: FilterFactoryCb | undefined;

  constructor(config: unknown) {
    this.#factory = this.load(config);
  }

  load(config: unknown): FilterFactoryCb | undefined {
    const created = factory.create(configSchema.parse(config), { onDispose() {} }, this.clock, this.store, this.kept);
    this.#factory = created as FilterFactoryCb | undefined;
    return this.#factory;
  }

  request(tenant?: string, ...fields: string[]): FilterHarness {
    const harness = createFilterHarness([{ name: 'rate_limit', factory: this.#factory as FilterFactoryCb }], {
      prepare: (info) => {
        if (tenant !== undefined) info.principal = { tenant };
      },
    });
    harness.sendHeaders(chatRequestHeaders(...fields), true);
    return harness;
  }
}

/** 200, or the code of the refusal. */
function outcome(harness: FilterHarness): number | string {
  if (harness.response.headers === undefined) {
    harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, ['ratelimit-limit', 'of the worker']), true);
  } else {
    assert.equal(harness.terminals[0]?.headers, undefined, 'a refused request went on');
  }
  return harness.response.headers?.status === 200 ? 200 : harness.response.json.error.code;
}

function shown(harness: FilterHarness): (string | undefined)[] {
  return ['limit', 'remaining', 'reset'].map((name) => harness.response.headers?.get(`ratelimit-${name}`));
}

describe('rate_limit', () => {
  it('limits each tenant, the listed ones by their own rate', () => {
    const bench = new Bench({
      tenants: { default: { requests: '2/min' }, 'auth:red': { requests: '3/min' }, 'auth:free': { requests: 'off' } },
    });
    const four = (tenant: string): (number | string)[] => [1, 2, 3, 4].map(() => outcome(bench.request(tenant)));
    const refused = 'tenant_rate_limit_exceeded';
    assert.deepEqual(four('red'), [200, 200, 200, refused]);
    assert.deepEqual(four('blue'), [200, 200, refused, refused]);
    assert.deepEqual(four('green'), [200, 200, refused, refused]);
    assert.deepEqual(four('free'), [200, 200, 200, 200]);
    bench.clock.advance(20_000);
    assert.deepEqual(four('red'), [200, refused, refused, refused]);
  });

  it('tells when to come again and how much is left, on every answer', () => {
    const bench = new Bench({ requests: '6/min', burst: 2 });
    const first = bench.request('red');
    assert.equal(outcome(first), 200);
    assert.deepEqual(shown(first), ['2', '1', '10']);
    outcome(bench.request('red'));
    bench.clock.advance(500);
    const refused = bench.request('red');
    assert.equal(refused.response.headers?.status, 429);
    assert.equal(refused.response.json.error.type, 'rate_limit_error');
    assert.equal(refused.response.json.error.message, 'Tenant rate limit exceeded for this request');
    assert.equal(refused.response.headers.get('retry-after'), '10');
    assert.deepEqual(shown(refused), ['2', '0', '20']);
    assert.equal(refused.streamInfo.responseDetails, 'rate_limit_tenant');
    bench.clock.advance(9_400);
    assert.equal(bench.request('red').response.headers?.get('retry-after'), '1');
    bench.clock.advance(100);
    assert.equal(outcome(bench.request('red')), 200);
  });

  it('takes from all limits or from none', () => {
    const bench = new Bench({ global: { requests: '10/h' }, tenants: { default: { requests: '1/h' } } });
    for (let i = 0; i < 8; i++) outcome(bench.request('greedy'));
    for (let i = 0; i < 9; i++) assert.equal(outcome(bench.request(`tenant ${i}`)), 200, `tenant ${i}`);
    assert.equal(outcome(bench.request('late')), 'rate_limited');
    const text = renderPrometheus(bench.store);
    assert.match(text, /smg_rate_limit_requests_total\{result="allowed",limit=""\} 10\n/);
    assert.match(text, /smg_rate_limit_requests_total\{result="rejected",limit="tenant"\} 7\n/);
    assert.match(text, /smg_rate_limit_requests_total\{result="rejected",limit="global"\} 1\n/);
  });

  it('limits addresses, keys or not, behind proxies too', () => {
    const bench = new Bench({ by: 'address', requests: '1/h', identity: { trusted_proxies: ['127.0.0.1'] } });
    assert.equal(outcome(bench.request('a', 'x-forwarded-for', '203.0.113.1')), 200);
    assert.equal(outcome(bench.request('b', 'x-forwarded-for', '203.0.113.1')), 'rate_limited');
    assert.equal(outcome(bench.request('b', 'x-forwarded-for', '203.0.113.2')), 200);
  });

  it('believes the header only where it is trusted', () => {
    const identity = { header: { trust: true, name: 'X-Team' } };
    const trusting = new Bench({ requests: '1/h', identity });
    assert.equal(outcome(trusting.request(undefined, 'x-team', 'a')), 200);
    assert.equal(outcome(trusting.request(undefined, 'x-team', 'b')), 200);
    const other = new Bench({ requests: '1/h' });
    assert.equal(outcome(other.request(undefined, 'x-smg-tenant-id', 'a')), 200);
    assert.equal(outcome(other.request(undefined, 'x-smg-tenant-id', 'b')), 'tenant_rate_limit_exceeded');
  });

  it('keeps its buckets over reloads; a new rate is in force at once', () => {
    const bench = new Bench({ requests: '2/h' });
    outcome(bench.request('red'));
    outcome(bench.request('red'));
    bench.load({ requests: '2/h', max_keys: 500 });
    assert.equal(outcome(bench.request('red')), 'tenant_rate_limit_exceeded');
    bench.load({ requests: '2/h', burst: 3 });
    assert.equal(outcome(bench.request('red')), 200);
    assert.equal(bench.load({}), undefined);
  });
});

describe('rate_limit: config', () => {
  it('is left out when it limits nothing', () => {
    for (const config of [{}, { requests: 'off' }, { tenants: { 'auth:a': { requests: 'off' } } }, { by: 'global' }]) {
      assert.equal(new Bench(config).load(config), undefined, JSON.stringify(config));
    }
  });

  it('fills a bucket with one period unless a burst is given', () => {
    const { global, address } = configSchema.parse({
      global: { requests: '600/min' },
      address: { requests: '0.5/s' },
    });
    assert.deepEqual(global, { burst: 600, intervalMs: 100 });
    assert.deepEqual(address, { burst: 1, intervalMs: 2000 });
  });

  it('refuses what cannot work, by name', () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ requests: '600' }, /rate above 0/],
      [{ requests: '0/s' }, /rate above 0/],
      [{ requests: '5/s', burst: 0 }, /burst/],
      [{ burst: 5 }, /no effect without requests/],
      [{ requests: '5/s', tenants: { default: { requests: '5/s' } } }, /limits the same as tenants.default/],
      [{ by: 'global', requests: '5/s', global: { requests: '5/s' } }, /limits the same as global/],
      [{ by: 'model', requests: '5/s' }, /by/],
      [{ tenants: { 'team-red': { requests: '5/s' } } }, /write auth:team-red/],
      [{ tenants: { 'auth: x': { requests: '5/s' } } }, /without a space/],
      [{ tenants: { 'header:x': { requests: '5/s' } } }, /tenants\.header\.trust/],
      [{ tenants: { 'ip:example': { requests: '5/s' } } }, /not an IP address/],
      [{ tenants: { 'ip:2001:db8::1': { requests: '5/s' } } }, /ip:2001:db8:0:0::\/64/],
      [{ identity: { trusted_proxies: ['10.0.0.0/40'] } }, /network like/],
      [{ identity: { header: { trust: true, name: 'a b' } } }, /HTTP header name/],
      [{ tenants: { default: { requests: '5/s', tokens: '5/s' } } }, /tokens/],
    ];
    for (const [config, message] of cases)
      assert.throws(() => configSchema.parse(config), message, JSON.stringify(config));
    assert.ok(configSchema.parse({ tenants: { 'ip:2001:db8:0:0::/64': { requests: '5/s' } } }));
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const { filters } = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '');
  const parsed = filters.map(({ config }: { config: unknown }) => configSchema.parse(config));
  assert.equal(parsed[0].tenants.get('auth:team-red').burst, 3000);
  assert.equal(parsed[1].address.burst, 20);
});
