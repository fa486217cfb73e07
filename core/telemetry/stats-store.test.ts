import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BugError } from '../api/errors.js';
import { renderPrometheus } from './prometheus-exposition.js';
import { HistogramSeries } from './series.js';
import { StatsStore } from './stats-store.js';

describe('StatsStore', () => {
  it('gives one series per label values and the same family for the same name', () => {
    const store = new StatsStore();
    const spec = { name: 'smg_x_total', help: 'x', labels: ['a', 'b'] };
    store.counter(spec).with('1', '2').inc();
    store.counter(spec).with('1', '2').inc(4);
    store.counter(spec).with('12', '').inc();
    assert.match(renderPrometheus(store), /^smg_x_total\{a="1",b="2"\} 5$/m);
    assert.match(renderPrometheus(store), /^smg_x_total\{a="12",b=""\} 1$/m);
  });

  it('refuses a used name with another type, other labels, a bad name or a wrong number of values', () => {
    const store = new StatsStore();
    const family = store.counter({ name: 'smg_x_total', help: 'x', labels: ['a'] });
    assert.throws(() => store.gauge({ name: 'smg_x_total', help: 'x', labels: ['a'] }), BugError);
    assert.throws(() => store.counter({ name: 'smg_x_total', help: 'x', labels: ['b'] }), BugError);
    assert.throws(() => store.counter({ name: 'smg-x', help: 'x' }), BugError);
    assert.throws(() => store.counter({ name: 'smg_y', help: 'x', labels: ['a-b'] }), BugError);
    assert.throws(() => store.histogram({ name: 'smg_h', help: 'x', buckets: [1, 1] }), BugError);
    assert.throws(() => family.with(), BugError);
  });

  it('puts what exceeds maxSeries into one series `other` and counts it', () => {
    const store = new StatsStore();
    const family = store.counter({ name: 'smg_x_total', help: 'x', labels: ['model', 'kind'], maxSeries: 2 });
    for (let i = 0; i < 1000; i++) family.with(`m${i}`, 'k').inc();
    const text = renderPrometheus(store);
    assert.equal(text.match(/^smg_x_total\{/gm)?.length, 3);
    assert.match(text, /^smg_x_total\{model="other",kind="other"\} 998$/m);
    assert.match(text, /^smg_metrics_series_overflow_total\{metric="smg_x_total"\} 998$/m);
  });

  it('forgets one series, or every series of a label value', () => {
    const store = new StatsStore();
    const requests = store.counter({ name: 'smg_r_total', help: 'r', labels: ['model', 'worker'] });
    const active = store.gauge({ name: 'smg_a', help: 'a', labels: ['worker'] });
    const plain = store.gauge({ name: 'smg_p', help: 'p' });
    for (const worker of ['w1', 'w2']) {
      requests.with('m', worker).inc();
      requests.with('n', worker).inc();
      active.with(worker).set(1);
    }
    plain.with().set(7);
    requests.remove('m', 'w2');
    store.removeLabelled('worker', 'w1');
    const text = renderPrometheus(store);
    assert.doesNotMatch(text, /w1/);
    assert.doesNotMatch(text, /model="m"/);
    assert.match(text, /^smg_r_total\{model="n",worker="w2"\} 1$/m);
    assert.match(text, /^smg_a\{worker="w2"\} 1$/m);
    assert.match(text, /^smg_p 7$/m);
  });

  it('asks callback gauges at every rendering, and survives one that throws', () => {
    const store = new StatsStore();
    let value = 1;
    const forget = store.gaugeCallback({ name: 'smg_g', help: 'g', labels: ['kind'] }, () => value, 'a');
    store.gaugeCallback({ name: 'smg_bad', help: 'b' }, () => {
      throw new Error('no');
    });
    assert.match(renderPrometheus(store), /^smg_g\{kind="a"\} 1$/m);
    value = 2.5;
    assert.match(renderPrometheus(store), /^smg_g\{kind="a"\} 2\.5$/m);
    assert.match(renderPrometheus(store), /^smg_bad NaN$/m);
    forget();
    assert.doesNotMatch(renderPrometheus(store), /smg_g/);
  });

  it('lets a later source of the same gauge survive the disposal of the earlier one', () => {
    const store = new StatsStore();
    const spec = { name: 'smg_g', help: 'g' };
    const forgetOld = store.gaugeCallback(spec, () => 1);
    store.gaugeCallback(spec, () => 2);
    forgetOld();
    assert.match(renderPrometheus(store), /^smg_g 2$/m);
  });
});

describe('renderPrometheus', () => {
  it('prints counters, gauges and histograms in the text format', () => {
    const store = new StatsStore();
    store
      .counter({ name: 'smg_c_total', help: 'back\\slash\nline', labels: ['p'] })
      .with('a"b\\c\nd')
      .inc(3);
    store.gauge({ name: 'smg_g', help: 'gauge' }).with().set(-1.5);
    store.counter({ name: 'smg_never_total', help: 'never bound', labels: ['p'] });
    const histogram = store.histogram({ name: 'smg_h_seconds', help: 'hist', labels: ['p'], buckets: [0.1, 1] });
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.with('x').observe(value);
    assert.equal(
      renderPrometheus(store),
      [
        '# HELP smg_c_total back\\\\slash\\nline',
        '# TYPE smg_c_total counter',
        'smg_c_total{p="a\\"b\\\\c\\nd"} 3',
        '# HELP smg_g gauge',
        '# TYPE smg_g gauge',
        'smg_g -1.5',
        '# HELP smg_h_seconds hist',
        '# TYPE smg_h_seconds histogram',
        'smg_h_seconds_bucket{p="x",le="0.1"} 2',
        'smg_h_seconds_bucket{p="x",le="1"} 3',
        'smg_h_seconds_bucket{p="x",le="+Inf"} 4',
        'smg_h_seconds_sum{p="x"} 7.65',
        'smg_h_seconds_count{p="x"} 4',
        '',
      ].join('\n'),
    );
  });

  it('is empty for a store in which nothing was bound', () => {
    assert.equal(renderPrometheus(new StatsStore()), '');
  });
});

describe('HistogramSeries', () => {
  it('puts each value into the first bucket whose bound is not below it', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.double({ min: 0, max: 100, noNaN: true }), { maxLength: 30 }),
        fc.array(fc.double({ min: -1, max: 101, noNaN: true }), { maxLength: 30 }),
        (bounds, values) => {
          const ascending = bounds.sort((a, b) => a - b);
          const series = new HistogramSeries('', ascending);
          for (const value of values) series.observe(value);
          const expected = new Array<number>(ascending.length + 1).fill(0);
          for (const value of values) {
            const index = ascending.findIndex((bound) => value <= bound);
            const bucket = index < 0 ? ascending.length : index;
            expected[bucket] = (expected[bucket] as number) + 1;
          }
          assert.deepEqual(Array.from(series.counts), expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});

it('removal by a label is the same however series came, went and were removed before', () => {
  const value = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const), worker: value, state: value }),
    fc.record({ do: fc.constant('remove' as const), worker: value, state: value }),
    fc.record({ do: fc.constant('forget' as const), worker: value, state: fc.constant('') }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const store = new StatsStore();
      const family = store.gauge({ name: 'g', help: 'h', labels: ['worker', 'state'] });
      const model = new Set<string>();
      for (const { do: action, worker, state } of steps) {
        const text = `worker="${worker}",state="${state}"`;
        if (action === 'add') {
          family.with(worker, state);
          model.add(text);
        } else if (action === 'remove') {
          family.remove(worker, state);
          model.delete(text);
        } else {
          store.removeLabelled('worker', worker);
          for (const each of model) if (each.startsWith(`worker="${worker}"`)) model.delete(each);
        }
      }
      const seen: string[] = [];
      for (const each of store.families())
        if (each.name === 'g') each.forEach((series) => void seen.push(series.labelText));
      assert.deepEqual(new Set(seen), model);
    }),
  );
});
