import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BenchRecord, Sample } from './bench-record.js';
import { LatencyHistogram } from './latency-histogram.js';
import { parseBenchOptions } from './options.js';
import { renderReport } from './report.js';
import { countingSamples, ratiosWithinRounds, requestsPerSecond } from './sample-measures.js';
import { quantile } from './statistics.js';
import { parseTarget } from './targets.js';

function createSample(round: number, target: string, requests: number, change: Partial<Sample> = {}): Sample {
  const load = {
    ...{ windowMs: 1000, requests, requestsTotal: requests, events: 0, eventsTotal: 0, p50Us: 100, p99Us: 200 },
    ...{ firstEventP50Us: 0, firstEventP99Us: 0, reconnects: 0, failures: 0, firstFailure: undefined },
  };
  return {
    ...{ round, target, caseName: 'c16', load, cpuMs: 100, wallMs: 1000, attempts: 1, isNoisy: false },
    ...{ foreignGatewayShare: 0, foreignLoadShare: 0, stealShare: 0, upstreamConnections: 0, upstreamRequests: [] },
    failure: undefined,
    ...change,
  };
}

function createRecord(samples: readonly Sample[]): BenchRecord {
  return {
    ...{ startedAt: '2026-11-24T10:00:00Z', machine: 'm', node: 'v20', revision: 'r', cores: [0, 1], rounds: 2 },
    ...{
      durationMs: 1000,
      targets: ['bare', 'smg'],
      cases: ['c16'],
      samples,
      starts: [],
      skipped: [],
      failedStarts: [],
    },
  };
}

test('ratios compare samples of one round', () => {
  const samples = [
    ...[createSample(1, 'bare', 100), createSample(1, 'smg', 150)],
    ...[createSample(2, 'smg', 600), createSample(2, 'bare', 300)],
  ];
  assert.deepEqual(ratiosWithinRounds(createRecord(samples), 'smg', 'bare', 'c16', requestsPerSecond), [1.5, 2]);
});

test('void samples never count, disturbed ones only where there is no other', () => {
  const quiet = createSample(1, 'bare', 100);
  const noisy = createSample(2, 'bare', 50, { isNoisy: true });
  const failed = createSample(3, 'bare', 900, { failure: 'wrong' });
  assert.deepEqual(countingSamples(createRecord([quiet, noisy, failed]), 'bare', 'c16'), [quiet]);
  assert.deepEqual(countingSamples(createRecord([noisy, failed]), 'bare', 'c16'), [noisy]);
});

test('the report names goals, void samples and unpinned runs', () => {
  const samples = [
    createSample(1, 'bare', 100),
    createSample(1, 'smg', 150),
    createSample(2, 'smg', 1, { failure: 'cut' }),
  ];
  const text = renderReport({ ...createRecord(samples), cores: undefined });
  assert.match(text, /throughput 1 KiB, c = 16, ratio to bare \| ≥ 1 \| 1\.50 \| yes/);
  assert.match(text, /\*\*void\*\*: round 2, smg, c16: cut/);
  assert.match(text, /not pinned/);
  assert.match(
    renderReport(createRecord([createSample(1, 'bare', 100), createSample(1, 'smg', 90)])),
    /0\.90 \| \*\*no\*\*/,
  );
});

test('quantiles of the histogram are within its bucket width', () => {
  const durations = fc.array(fc.double({ min: 1, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 50 });
  const property = fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
    const histogram = new LatencyHistogram();
    for (const value of values) histogram.recordUs(value);
    const rank = Math.max(1, Math.ceil(share * values.length)) - 1;
    const exact = values.sort((a, b) => a - b)[rank] as number;
    assert.ok(Math.abs(histogram.quantileUs(share) / exact - 1) < 0.011);
  });
  fc.assert(property, { numRuns: 200 });
  assert.equal(new LatencyHistogram().quantileUs(0.5), 0);
});

test('quantile interpolates and leaves out what is no number', () => {
  assert.equal(quantile([4, 1, Number.NaN, 3, 2], 0.5), 2.5);
  assert.equal(quantile([], 0.5), Number.NaN);
});

test('the command line', () => {
  const options = parseBenchOptions(
    ['--targets', 'mine,bare', '--add', 'mine=gw --port {port} {workers}', '--cases', 'c1,h2c16', '--duration', '0.5'],
    {},
  );
  assert.deepEqual(
    options.targets.map((target) => target.name),
    ['mine', 'bare'],
  );
  assert.equal(options.durationMs, 500);
  assert.deepEqual(options.cores, [0, 1]);
  assert.throws(() => parseBenchOptions(['--targets', 'nobody'], {}), /no target "nobody"; there are direct, bare/);
  assert.throws(() => parseBenchOptions(['--targets', 'smg-reference'], {}), /SMG_REFERENCE_BIN/);
  assert.throws(() => parseBenchOptions(['--cases', 'c2'], {}), /no case "c2"/);
  assert.throws(() => parseBenchOptions(['--rounds', '0'], {}), /--rounds/);
  assert.throws(() => parseBenchOptions(['--cores', '1'], {}), /--cores/);
});

test('an added target gets ports and workers', () => {
  const target = parseTarget('x=gw --urls {workers} --csv {workers_csv} {port} {extra_port}', ['y']);
  const workers = ['http://a:1', 'http://b:2'];
  const context = { port: 7, extraPort: 8, workers, directory: '/', programPath: (name: string) => name };
  assert.deepEqual(target.launch(context)?.command, [
    ...['gw', '--urls', 'http://a:1', 'http://b:2', '--csv', 'http://a:1,http://b:2', '7', '8'],
  ]);
  assert.equal(target.check, 'exact');
  assert.equal(parseTarget('y=gw', ['y']).check, 'meaning');
  assert.throws(() => parseTarget('gw', []), /name=command/);
});
