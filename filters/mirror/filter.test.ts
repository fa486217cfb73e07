import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { type Cluster, type Clusters, ConfigError, ResponseHeaders } from '../../core/api/index.js';
import type { ReceivedRequest } from '../../core/inference/inference-request.js';
import { StatsStore } from '../../core/telemetry/stats-store.js';
import {
  chatRequestHeaders,
  createFilterHarness,
  FakeClock,
  type FilterHarness,
  jsonRequest,
  ScriptedTerminal,
} from '../../core/testing/index.js';
import { configSchema, MirrorFilterConfig } from './config.js';
import factory from './factory.js';
import { MirrorFilter } from './filter.js';

const TIMEOUTS = { connectMs: 1, firstByteMs: 2, idleMs: 3, requestMs: 4 };
const CLUSTERS = new Map(
  ['main', 'shadow'].map((name) => [name, { name, timeouts: TIMEOUTS } as unknown as Cluster] as const),
);
const TABLE = { get: (name: string) => CLUSTERS.get(name) } as Clusters;

class Bench {
  readonly clock = new FakeClock();
  readonly stats = new StatsStore();
  readonly shared: MirrorFilterConfig;

  constructor(config: object = {}, random: () => number = () => 0) {
    const settings = configSchema.parse({ cluster: 'shadow', ...config });
    this.shared = new MirrorFilterConfig(settings, 'shadow', TABLE, this.clock, this.stats, random);
  }

  send(
    headers: string[] = [],
    mirrored = false,
  ): { harness: FilterHarness; legs: ScriptedTerminal[]; request: ReceivedRequest } {
    const legs: ScriptedTerminal[] = [];
    const request = jsonRequest({ model: 'm', x: 1 });
    const harness = createFilterHarness(
      [{ name: 'mirror', nesting: true, factory: (callbacks) => new MirrorFilter(this.shared, callbacks) }],
      {
        terminal: (callbacks) => {
          const leg = new ScriptedTerminal(callbacks);
          legs.push(leg);
          return leg;
        },
        above: (run) => {
          run.cluster = CLUSTERS.get('main');
        },
        prepare: (info) => {
          info.inference = request;
          info.mirrored = mirrored;
          info.requestId = 'r1';
        },
      },
    );
    harness.sendHeaders(chatRequestHeaders(...headers), false);
    harness.sendRequest(request);
    return { harness, legs, request };
  }

  value(name: string, ...labels: [string, string][]): number {
    const names = ['cluster', ...labels.map(([label]) => label)];
    const spec = { name, help: '', labels: names };
    const family = name.endsWith('_total') ? this.stats.counter(spec) : this.stats.gauge(spec);
    return (family.with('shadow', ...labels.map(([, value]) => value)) as unknown as { value: number }).value;
  }

  outcomes(): number[] {
    return ['complete', 'failed', 'aborted'].map((outcome) =>
      this.value('smg_mirror_requests_total', ['outcome', outcome]),
    );
  }
}

test('the request goes first, its copy after it, to the other cluster', () => {
  const bench = new Bench({ model: 'other', timeout: '9s' });
  const { harness, legs } = bench.send(['x-a', '1']);
  const [main, copy] = legs as [ScriptedTerminal, ScriptedTerminal];
  assert.equal(legs.length, 2);
  assert.deepEqual([main.callbacks.run.cluster?.name, copy.callbacks.run.cluster?.name], ['main', 'shadow']);
  assert.equal(main.request?.bytes().toString(), '{"model":"m","x":1}');
  assert.equal(copy.request?.bytes().toString(), '{"model":"other","x":1}');
  assert.equal(copy.headers?.get('x-a'), '1');
  const info = copy.callbacks.streamInfo;
  assert.notEqual(info, harness.streamInfo);
  assert.deepEqual([info.mirrored, info.requestId], [true, 'r1']);
  assert.equal(info.deadlineMs, bench.clock.monotonicMs() + 9_000);
  assert.equal(bench.value('smg_mirror_in_flight'), 1);
  main.answer(200, 'hello');
  assert.deepEqual([harness.response.body, harness.response.ends], ['hello', 1]);
  copy.answer(200, 'ignored');
  assert.ok(copy.destroyed);
  assert.equal(harness.response.body, 'hello');
  assert.equal(bench.value('smg_mirror_in_flight'), 0);
  assert.deepEqual(bench.outcomes(), [1, 0, 0]);
  assert.deepEqual(harness.exceptions, []);
});

test('no credential and no cookie goes with a copy', () => {
  const bench = new Bench();
  const keys = ['authorization', 'Bearer k', 'x-api-key', 'k', 'x-goog-api-key', 'k', 'api-key', 'k', 'cookie', 'c=1'];
  const { legs } = bench.send([...keys, 'x-provider-key-openai', 'k', 'x-b', '2']);
  assert.equal(legs[0]?.headers?.get('authorization'), 'Bearer k');
  assert.deepEqual(legs[1]?.headers?.flat, ['content-type', 'application/json', 'x-b', '2']);
});

test('a caller that leaves, and its memory, do not end the copy', () => {
  const bench = new Bench();
  const { harness, legs, request } = bench.send();
  harness.reset();
  request.forgetReceived();
  const [main, copy] = legs as [ScriptedTerminal, ScriptedTerminal];
  assert.deepEqual([main.destroyed, copy.destroyed], [true, false]);
  assert.equal(copy.request?.bytes().toString(), '{"model":"m","x":1}');
  assert.equal(copy.request?.rawField('x'), '1');
  copy.answer(200, 'x');
  assert.equal(bench.value('smg_mirror_in_flight'), 0);
});

test('neither feels the back-pressure or the failure of the other', () => {
  const bench = new Bench();
  const { harness, legs } = bench.send();
  const [main, copy] = legs as [ScriptedTerminal, ScriptedTerminal];
  main.callbacks.encodeHeaders(new ResponseHeaders(200), false);
  harness.manager.onAboveWriteBufferHighWatermark();
  assert.deepEqual([main.paused, copy.paused], [1, 0]);
  copy.fail('upstream_reset');
  assert.ok(copy.destroyed);
  assert.equal(harness.response.error, undefined);
  harness.manager.onBelowWriteBufferLowWatermark();
  main.callbacks.encodeData(Buffer.from('all'), true);
  assert.deepEqual([harness.response.body, harness.response.ends, main.paused], ['all', 1, 0]);
  assert.deepEqual(bench.outcomes(), [0, 1, 0]);
});

test('an error of the request itself reaches the caller', () => {
  const { harness, legs } = new Bench().send();
  legs[0]?.fail('upstream_reset');
  assert.equal(harness.response.headers?.status, 502);
});

test('a break after the head, and an error status, are failures', () => {
  const bench = new Bench();
  const [, first] = bench.send().legs as [ScriptedTerminal, ScriptedTerminal];
  first.callbacks.encodeHeaders(new ResponseHeaders(200), false);
  first.fail('upstream_reset');
  const [, second] = bench.send().legs as [ScriptedTerminal, ScriptedTerminal];
  second.answer(500, 'x');
  assert.deepEqual(bench.outcomes(), [0, 2, 0]);
  assert.equal(bench.value('smg_mirror_in_flight'), 0);
});

test('a copy is not copied', () => {
  assert.equal(new Bench().send([], true).legs.length, 1);
});

test('a share of the requests is copied, within bounds; what is not is counted', () => {
  let chance = 0.1;
  const bench = new Bench({ percent: 10, max_in_flight: 2 }, () => chance);
  assert.equal(bench.send().legs.length, 1);
  chance = 0.09;
  const { legs } = bench.send();
  assert.equal(legs.length, 2);
  assert.equal(bench.send().legs.length, 2);
  assert.equal(bench.send().legs.length, 1);
  assert.equal(bench.value('smg_mirror_skipped_total', ['reason', 'in_flight']), 1);
  legs[1]?.answer(200, 'x');
  assert.equal(bench.send().legs.length, 2);
  const small = new Bench({ max_body: '8B' });
  assert.equal(small.send().legs.length, 1);
  assert.equal(small.value('smg_mirror_skipped_total', ['reason', 'too_large']), 1);
});

test('the end of the configuration ends its copies', () => {
  const bench = new Bench();
  const { harness, legs } = bench.send();
  bench.shared.close();
  assert.deepEqual([legs[0]?.destroyed, legs[1]?.destroyed], [false, true]);
  assert.deepEqual(bench.outcomes(), [0, 0, 1]);
  legs[0]?.answer(200, 'ok');
  assert.equal(harness.response.ends, 1);
});

test('whatever happens to both, in any order: one answer, and nothing is left', () => {
  const step = fc.constantFrom('main:answer', 'main:fail', 'copy:answer', 'copy:fail', 'leave', 'close');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
      const bench = new Bench();
      const { harness, legs } = bench.send();
      const [main, copy] = legs as [ScriptedTerminal, ScriptedTerminal];
      for (const each of [...steps, 'main:answer', 'copy:answer']) {
        const [who, what] = each.split(':');
        const leg = who === 'main' ? main : copy;
        if (each === 'leave') harness.reset();
        else if (each === 'close') bench.shared.close();
        else if (leg.destroyed) continue;
        else if (what === 'answer') leg.answer(200, 'x');
        else leg.fail('upstream_reset');
      }
      const left = steps.includes('leave') && harness.response.headers === undefined;
      assert.equal(harness.response.ends, left ? 0 : 1);
      assert.deepEqual([main.destroyed, copy.destroyed, harness.response.runEnded], [true, true, true]);
      assert.equal(bench.value('smg_mirror_in_flight'), 0);
      assert.equal(
        bench.outcomes().reduce((sum, count) => sum + count),
        1,
      );
      assert.deepEqual(harness.exceptions, []);
    }),
    { numRuns: 300 },
  );
});

test('settings: defaults, the example of the README, a cluster that is not there, none', () => {
  const create = (config: object) =>
    factory.create(
      configSchema.parse(config),
      { onDispose: () => undefined },
      TABLE,
      new FakeClock(),
      new StatsStore(),
    );
  assert.equal(create({}), undefined);
  assert.equal(create({ cluster: 'shadow', percent: 0 }), undefined);
  assert.throws(
    () => create({ cluster: 'x' }),
    (error) => error instanceof ConfigError && error.path.join('.') === 'cluster',
  );
  const text = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
  const [, entry] = parse(yaml ?? '').filters;
  const expected = { cluster: 'shadow', model: 'llama-4', percent: 10, max_in_flight: 16, timeout: 60_000 };
  assert.deepEqual(configSchema.parse(entry.config), { ...expected, max_body: 1024 * 1024 });
});
