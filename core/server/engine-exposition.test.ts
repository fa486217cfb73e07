import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeExpositions } from './engine-exposition.js';

test('samples of one metric stand together, labelled by engine; colons, blanks and braces in labels stay', () => {
  const a = [
    '# HELP vllm:running Requests running',
    '# TYPE vllm:running gauge',
    'vllm:running{model="a b}",note="say \\"hi\\","} 3 1700000000000',
    '# TYPE wait histogram',
    'wait_bucket{le="1"} 2',
    'wait_bucket{le="+Inf"} 3',
    'wait_sum 4.5',
    'wait_count 3',
    'this is no sample',
  ].join('\n');
  const b = '# TYPE vllm:running gauge\nvllm:running 1\nother_total 7\n';
  const merged = mergeExpositions([
    { workerAddress: 'http://a:1', text: a },
    { workerAddress: 'http://b:2', text: b },
  ]);
  assert.equal(
    merged,
    [
      '# HELP vllm:running Requests running',
      '# TYPE vllm:running gauge',
      'vllm:running{model="a b}",note="say \\"hi\\",",worker_addr="http://a:1"} 3 1700000000000',
      'vllm:running{worker_addr="http://b:2"} 1',
      '# TYPE wait histogram',
      'wait_bucket{le="1",worker_addr="http://a:1"} 2',
      'wait_bucket{le="+Inf",worker_addr="http://a:1"} 3',
      'wait_sum{worker_addr="http://a:1"} 4.5',
      'wait_count{worker_addr="http://a:1"} 3',
      'other_total{worker_addr="http://b:2"} 7',
      '',
    ].join('\n'),
  );
});

test('nothing in, nothing out', () => {
  assert.equal(mergeExpositions([]), '');
  assert.equal(mergeExpositions([{ workerAddress: 'x', text: '# HELP a b\n\u0000{{{' }]), '');
});

test('a line that is almost a sample costs no more than a good one', () => {
  const lines = [
    `m{${'a="1"   '.repeat(60)}! 1`,
    `m{a="1"${' '.repeat(50_000)}! 1`,
    `m${' '.repeat(50_000)}{ 1`,
    `m 1${' '.repeat(50_000)}!`,
  ];
  assert.equal(mergeExpositions([{ workerAddress: 'x', text: lines.join('\n') }]), '');
  assert.equal(
    mergeExpositions([{ workerAddress: 'x', text: 'm { a = "1" , b="2" , } 1' }]),
    'm{a = "1" , b="2",worker_addr="x"} 1\n',
  );
});
