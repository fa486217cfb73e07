import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type FilterFactoryCb, ResponseHeaders } from '../../core/api/index.js';
import { renderPrometheus } from '../../core/telemetry/prometheus-exposition.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import { FakeClock } from '../../core/testing/fake-clock.js';
import { chatRequestHeaders, createFilterHarness, type FilterHarness } from '../../core/testing/filter-harness.js';
import { createTestKeptState, TestShutdownSignal } from '../../core/testing/kept-state.js';
import { configSchema, permitsOf } from './config.js';
import factory from './factory.js';

class Bench {
  readonly clock = new FakeClock();
  readonly store = new StatsStore();
  readonly kept = createTestKeptState();
  readonly shutdown = new TestShutdownSignal();
  readonly disposers: (() => void | Promise<void>)[] = [];
  #factory: FilterFactoryCb | undefined;

  constructor(config: unknown) {
    this.#factory = this.load(config);
  }

  /** A new generation; requests that are under way keep the old one. */
  load(config: unknown): FilterFactoryCb | undefined {
    const lifetime = { onDispose: (dispose: () => void | Promise<void>) => void this.disposers.push(dispose) };
    const { clock, store, kept, shutdown } = this;
    const created = factory.create(configSchema.parse(config), lifetime, clock, store, kept, shutdown);
    this.#factory = created as FilterFactoryCb | undefined;
    return this.#factory;
  }

  request(endStream = true): FilterHarness {
    const filters = this.#factory === undefined ? [] : [{ name: 'admission', factory: this.#factory }];
    const harness = createFilterHarness(filters);
    harness.sendHeaders(chatRequestHeaders(), endStream);
    return harness;
  }

  metric(name: string): number {
    const line = renderPrometheus(this.store)
      .split('\n')
      .find((each) => each.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  assertIdle(): void {
    assert.equal(this.metric('smg_admission_inflight'), 0);
    assert.equal(this.metric('smg_admission_queue_depth'), 0);
    assert.equal(this.clock.pendingTimers, 0);
  }
}

function isPassed(harness: FilterHarness): boolean {
  return harness.terminals[0]?.headers !== undefined;
}

function finish(harness: FilterHarness): void {
  harness.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, []), false);
  harness.terminal.callbacks.encodeData(Buffer.from('x'), true);
}

function assertRefused(harness: FilterHarness, status: number, code: string): void {
  assert.equal(harness.response.headers?.status, status);
  assert.equal(harness.response.json.error.code, code);
  assert.equal(harness.response.headers.get('retry-after'), '2');
  assert.equal(harness.response.headers.get('x-should-retry'), undefined);
  assert.equal(isPassed(harness), false);
  assert.equal(harness.response.runEnded, true);
}

describe('admission', () => {
  it('holds a permit to the last byte of the answer', () => {
    const bench = new Bench({ max: 1, queue: 0 });
    const first = bench.request();
    assert.ok(isPassed(first));
    first.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, []), false);
    first.terminal.callbacks.encodeData(Buffer.from('half'), false);
    assert.equal(bench.metric('smg_admission_inflight'), 1);
    assertRefused(bench.request(), 429, 'admission_queue_full');
    first.terminal.callbacks.encodeData(Buffer.from('rest'), true);
    bench.assertIdle();
    assert.ok(isPassed(bench.request()));
  });

  it('gives it back when the client leaves in mid-stream', () => {
    const bench = new Bench({ max: 1, queue: 0 });
    const first = bench.request();
    first.terminal.callbacks.encodeHeaders(new ResponseHeaders(200, []), false);
    first.reset();
    bench.assertIdle();
  });

  it('lets the others wait in order and refuses who finds no room', () => {
    const bench = new Bench({ max: 1, queue: 2 });
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => bench.request()) as FilterHarness[];
    assertRefused(fourth as FilterHarness, 429, 'admission_queue_full');
    assert.match((fourth as FilterHarness).response.json.error.message, /admission queue is at capacity/);
    assert.equal(bench.metric('smg_admission_queue_depth'), 2);
    finish(first as FilterHarness);
    assert.deepEqual(
      [second, third].map((each) => isPassed(each as FilterHarness)),
      [true, false],
    );
    finish(second as FilterHarness);
    finish(third as FilterHarness);
    bench.assertIdle();
    assert.equal(bench.metric('smg_admission_queue_wait_seconds_count'), 2);
    assert.equal(bench.metric('smg_admission_queue_rejected_total{reason="full"}'), 1);
    assert.equal(bench.metric('smg_http_rate_limit_total{result="allowed"}'), 3);
    assert.equal(bench.metric('smg_http_rate_limit_total{result="rejected"}'), 1);
  });

  it('says so where nobody may wait', () => {
    const bench = new Bench({ max: 1, queue: 0 });
    bench.request();
    assert.match(bench.request().response.json.error.message, /queuing is disabled/);
  });

  it('gives the place of a client that leaves to the next one, and nothing reaches a worker', () => {
    const bench = new Bench({ max: 1, queue: 2 });
    const first = bench.request();
    const gone = bench.request();
    const patient = bench.request();
    gone.reset();
    assert.equal(bench.metric('smg_admission_queue_depth'), 1);
    assert.equal(bench.clock.pendingTimers, 1);
    finish(first);
    assert.deepEqual([isPassed(gone), isPassed(patient)], [false, true]);
    finish(patient);
    bench.assertIdle();
  });

  it('refuses who has waited too long', () => {
    const bench = new Bench({ max: 1, queue: 5, queue_timeout: '10s' });
    const first = bench.request();
    const waiting = bench.request(false);
    bench.clock.advance(9_900);
    assert.equal(waiting.response.headers, undefined);
    bench.clock.advance(200);
    assertRefused(waiting, 503, 'admission_queue_timeout');
    assert.match(waiting.response.json.error.message, /waited 10 s/);
    finish(first);
    bench.assertIdle();
    assert.equal(bench.metric('smg_admission_queue_rejected_total{reason="timeout"}'), 1);
  });

  it('holds of a waiting body what came with the head, and reads on once it is its turn', () => {
    const bench = new Bench({ max: 1, queue: 1 });
    const first = bench.request();
    const waiting = bench.request(false);
    waiting.sendData('a'.repeat(64 * 1024), false);
    assert.equal(waiting.response.readDisabled, 0);
    waiting.sendData('b', false);
    assert.equal(waiting.response.readDisabled, 1);
    finish(first);
    assert.equal(waiting.response.readDisabled, 0);
    assert.equal(waiting.terminal.body.length, 64 * 1024 + 1);
    waiting.sendData('c', true);
    assert.equal(waiting.terminal.ended, true);
    finish(waiting);
    bench.assertIdle();
  });

  it('shares permits with earlier generations, and a new limit is in force at once', () => {
    const bench = new Bench({ max: 1, queue: 10 });
    const old = bench.request();
    const queued = [bench.request(), bench.request(), bench.request()];
    bench.load({ max: 2, queue: 0 });
    assert.deepEqual(queued.map(isPassed), [true, false, false]);
    assertRefused(bench.request(), 429, 'admission_queue_full');
    bench.load({ max: 1, queue: 10 });
    finish(old);
    assert.equal(isPassed(queued[1] as FilterHarness), false);
    assert.equal(bench.load({ max: 0 }), undefined);
    assert.deepEqual(queued.map(isPassed), [true, true, true]);
    queued.forEach(finish);
    bench.assertIdle();
  });

  it('answers who would be cut at the end of the process, shortly before', () => {
    const bench = new Bench({ max: 1, queue: 10, queue_timeout: '60s' });
    const first = bench.request();
    const waiting = bench.request();
    bench.shutdown.begin(bench.clock.monotonicMs() + 20_000);
    const late = bench.request();
    bench.clock.advance(18_999);
    assert.equal(waiting.response.headers, undefined);
    bench.clock.advance(1);
    for (const each of [waiting, late, bench.request()]) assertRefused(each, 503, 'draining');
    assert.equal(bench.metric('smg_admission_queue_rejected_total{reason="draining"}'), 3);
    finish(first);
    bench.assertIdle();
  });

  it('leaves no listener and no timer with its generation', async () => {
    const bench = new Bench({ max: 1 });
    bench.shutdown.begin(bench.clock.monotonicMs() + 20_000);
    for (const dispose of bench.disposers) await dispose();
    assert.equal(bench.shutdown.listeners.size, 0);
    assert.equal(bench.clock.pendingTimers, 0);
  });
});

describe('admission: config', () => {
  it('knows an automatic limit', () => {
    assert.ok(permitsOf('auto') >= 4096);
    assert.equal(permitsOf(-1), permitsOf('auto'));
    assert.equal(permitsOf(7), 7);
    assert.equal(new Bench({}).load({}), undefined);
  });

  it('refuses what cannot work', () => {
    for (const [config, message] of [
      [{ max: -2 }, /max/],
      [{ max: 1.5 }, /max/],
      [{ max: 1, queue: -1 }, /queue/],
      [{ max: 1, queue_timeout: '0s' }, /greater than 0/],
      [{ max: 1, queue_timeout: '60' }, /duration/],
      [{ maximum: 1 }, /maximum/],
    ] as const) {
      assert.throws(() => configSchema.parse(config), message, JSON.stringify(config));
    }
    assert.equal(configSchema.parse({ max: 1, queue: 0, queue_timeout: '0s' }).queue_timeout, 0);
  });
});

it('the example of the README is valid', () => {
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const entry = parse(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? '').filters[0];
  assert.deepEqual(configSchema.parse(entry.config), { max: 512, queue: 200, queue_timeout: 30_000 });
});
