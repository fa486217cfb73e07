import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../../core/api/errors.js';
import { parseSimArgs, simFlags, simHelp } from './command-line.js';
import { simConfigSchema } from './config.js';
import { parseFault } from './fault.js';

function rejects(argv: string[], pattern: RegExp): void {
  assert.throws(
    () => parseSimArgs(argv),
    (error) => error instanceof ConfigError && pattern.test(error.message),
  );
}

test('no flags: the defaults of the schema', () => {
  assert.deepEqual(parseSimArgs([]), simConfigSchema.parse({}));
});

test('flags reach their fields, models repeat, and both spellings of a value work', () => {
  const config = parseSimArgs([
    '--port=9001',
    '--model',
    'llama-3.1-8b',
    '--model',
    'qwen',
    '--itl',
    '2.5ms',
    '--ttft',
    '1s',
    '--output-tokens',
    '8-16',
    '--no-prefix-cache',
    '--instant',
    '--fault',
    'status=429;retry_after=3',
  ]);
  assert.equal(config.port, 9_001);
  assert.deepEqual(config.models, ['llama-3.1-8b', 'qwen']);
  assert.deepEqual([config.itl, config.ttft], [2.5, 1_000]);
  assert.deepEqual(config.output_tokens, { min: 8, max: 16 });
  assert.deepEqual([config.prefix_cache, config.instant], [false, true]);
  assert.equal(config.fault, 'status=429;retry_after=3');
});

test('what cannot be is refused with the name of the flag', () => {
  rejects(['--prot', '1'], /--prot.*did you mean --port\?/);
  rejects(['--port'], /--port needs a value/);
  rejects(['--port', '--host'], /--port needs a value/);
  rejects(['--port', 'x'], /--port: 'x' is not a number/);
  rejects(['--port', '70000'], /^--port: /);
  rejects(['--runtime', 'tgi'], /^--runtime: /);
  rejects(['--itl', 'soon'], /^--itl: not a duration/);
  rejects(['--output-tokens', '9-3'], /^--output-tokens: /);
  rejects(['--fault', 'explode'], /^--fault: unknown fault 'explode'/);
  rejects(['--instant=yes'], /--instant takes no value/);
});

test('every flag is in the help and sets a field of the schema', () => {
  for (const { flag, path } of simFlags) {
    assert.match(simHelp(), new RegExp(`^ {2}${flag} `, 'm'));
    assert.ok(path[0] in simConfigSchema.shape, flag);
  }
});

test('every field of the schema is described', () => {
  for (const [name, field] of Object.entries(simConfigSchema.shape)) assert.ok(field.description, name);
});

test('faults: kind, value, parameters', () => {
  assert.deepEqual(parseFault('cut=3'), {
    kind: 'cut',
    value: 3,
    retryAfterSeconds: undefined,
    times: undefined,
    worker: undefined,
  });
  const status = parseFault('status=503; retry_after=2; times=1; worker=a');
  assert.deepEqual(status, { kind: 'status', value: 503, retryAfterSeconds: 2, times: 1, worker: 'a' });
  for (const text of ['', 'status=200', 'cut=-1', 'cut=1.5', 'refuse=1', 'cut;after=1', 'constructor']) {
    assert.equal(typeof parseFault(text), 'string', text);
  }
});
