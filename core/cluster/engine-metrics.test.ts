import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createEngineLoad, readEngineMetrics, readGetLoad, readLoads } from './engine-metrics.js';
import { readSamples, type Sample } from './prometheus-text.js';

function samplesOf(text: string, ...names: string[]): Sample[] {
  return names.flatMap((name) => readSamples(Buffer.from(text), name));
}

const AT = { receivedMs: 1, timestampMs: 2, ownInFlight: 3 };

describe('Prometheus text', () => {
  it('reads labels with blanks, braces and escapes, timestamps, NaN and infinities', () => {
    const text = [
      '# HELP a Help with { and "',
      '# TYPE a gauge',
      'a 1',
      'a{} 2',
      '  a { m="one two", p="} # \\" \\\\" }  3.5e2 1700000000000\r',
      'b{x="y"} NaN # {trace="1"} 2',
      'b +Inf',
      'b -inf',
      'broken',
      'broken{a="',
      'broken 1x',
      '{} 1',
    ].join('\n');
    const samples = samplesOf(text, 'a', 'b', 'broken');
    assert.deepEqual(
      samples.map(({ name, value }) => [name, value]),
      [
        ['a', 1],
        ['a', 2],
        ['a', 350],
        ['b', Number.NaN],
        ['b', Number.POSITIVE_INFINITY],
        ['b', Number.NEGATIVE_INFINITY],
      ],
    );
    assert.equal(samples[2]?.labels, ' m="one two", p="} # \\" \\\\" ');
  });

  it('gives back what was written, whatever the label says', () => {
    const names = ['a', 'vllm:b_c', 'vllm:b'];
    const sample = fc.record({
      name: fc.constantFrom(...names),
      label: fc.string(),
      value: fc.double({ noNaN: true }),
    });
    const quote = (text: string): string => text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
    fc.assert(
      fc.property(fc.array(sample), (samples) => {
        const written = samples.sort((left, right) => names.indexOf(left.name) - names.indexOf(right.name));
        const text = written
          .map(
            ({ name, label, value }) =>
              `${name}{l="${quote(label)}"} ${Number.isFinite(value) ? value : value > 0 ? '+Inf' : '-Inf'}`,
          )
          .join('\n');
        const read = samplesOf(text, ...names);
        assert.deepEqual(
          read.map(({ name, value }) => [name, value + 0]),
          written.map(({ name, value }) => [name, value + 0]),
        );
      }),
    );
  });

  it('finds a metric whose name begins that of another one, which may stand before it', () => {
    const text = '# HELP a a 1\nab 1\na_b{x="a 2"} 2\nab{} 3\na 4\na{} 5\nb 6';
    assert.deepEqual(
      samplesOf(text, 'a', 'b', 'c').map(({ name, value }) => [name, value]),
      [
        ['a', 4],
        ['a', 5],
        ['b', 6],
      ],
    );
  });

  it('never fails', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '{', '}', '"', '\\', ' ', '1', '\n', '=') }),
        (text) => void samplesOf(text, 'a', 'aa', 'a1'),
      ),
    );
  });
});

describe('load of engines', () => {
  it('vLLM: both names of the KV gauge, sums and means over engines', () => {
    for (const gauge of ['vllm:gpu_cache_usage_perc', 'vllm:kv_cache_usage_perc']) {
      const text = `# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a b"} 2.0
vllm:num_requests_running{engine="1",model_name="a b"} 3.0
vllm:num_requests_waiting{engine="0",model_name="a b"} 1.0
vllm:num_requests_waiting{engine="1",model_name="a b"} 0.0
${gauge}{engine="0",model_name="a b"} 0.25
${gauge}{engine="1",model_name="a b"} 0.75
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 9.0
`;
      const report = readEngineMetrics(Buffer.from(text), 'vllm');
      assert.ok(report !== undefined);
      const load = createEngineLoad(report, AT);
      assert.deepEqual([load.runningRequests, load.waitingRequests, load.tokenUsage], [5, 1, 0.5]);
      assert.equal(load.genThroughput, undefined);
    }
  });

  it('SGLang: both prefixes', () => {
    for (const prefix of ['sglang:', 'sglang_']) {
      const text = ['num_running_reqs 4', 'num_queue_reqs 2', 'token_usage 0.5', 'gen_throughput 99']
        .map((line) => prefix + line)
        .join('\n');
      const rank = readEngineMetrics(Buffer.from(text), 'sglang')?.ranks[0];
      assert.deepEqual(
        [rank?.numRunningReqs, rank?.numWaitingReqs, rank?.tokenUsage, rank?.genThroughput],
        [4, 2, 0.5, 99],
      );
    }
  });

  it('a gauge that must be there and is not, or is NaN, is unknown and not 0', () => {
    assert.equal(readEngineMetrics(Buffer.from('vllm:num_requests_running 1'), 'vllm'), undefined);
    assert.equal(readEngineMetrics(Buffer.from('sglang:token_usage NaN'), 'sglang'), undefined);
    assert.equal(readEngineMetrics(Buffer.from(''), 'sglang'), undefined);
    assert.equal(readEngineMetrics(Buffer.from('vllm:kv_cache_usage_perc 1'), 'generic'), undefined);
    const rank = readEngineMetrics(Buffer.from('vllm:kv_cache_usage_perc 0.1'), 'vllm')?.ranks[0];
    assert.equal(rank?.numRunningReqs, undefined);
  });

  it('/v1/loads: one entry per rank, what is absent or negative is unknown', () => {
    const report = readLoads({
      version: '0.5.9',
      loads: [
        {
          dp_rank: 0,
          num_running_reqs: 2,
          num_waiting_reqs: 5,
          token_usage: 0.5,
          num_used_tokens: 10,
          max_total_num_tokens: 100,
        },
        {
          dp_rank: 1,
          num_running_reqs: 1,
          num_waiting_reqs: 6,
          token_usage: 0.7,
          gen_throughput: -1,
          disaggregation: { mode: 'decode', decode_queue_reqs: 3 },
        },
      ],
    });
    assert.ok(report !== undefined);
    const load = createEngineLoad(report, AT);
    assert.equal(load.waitingRequests, 11);
    assert.equal(load.tokenUsage, 0.6);
    assert.equal(load.usedTokens, 10);
    assert.equal(load.genThroughput, undefined);
    assert.deepEqual([load.ranks[1]?.disaggMode, load.ranks[1]?.decodeQueueReqs], ['decode', 3]);
    assert.equal(load.ownInFlight, 3);
    assert.equal(readLoads({ server_load: 3 }), undefined);
    assert.equal(readLoads([]), undefined);
    assert.deepEqual(readLoads({ loads: [] })?.ranks, []);
  });

  it('/get_load: requests without KV usage', () => {
    const report = readGetLoad([{ dp_rank: 0, num_reqs: 5, num_waiting_reqs: 2, num_tokens: 70 }]);
    assert.ok(report !== undefined);
    const load = createEngineLoad(report, AT);
    assert.deepEqual([load.runningRequests, load.waitingRequests, load.tokenUsage], [3, 2, undefined]);
    assert.equal(readGetLoad({ loads: [] }), undefined);
    assert.equal(readGetLoad([{ x: 1 }]), undefined);
  });
});
