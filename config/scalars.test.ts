import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import type * as z from 'zod';
import {
  byteSize,
  duration,
  formatByteSize,
  formatDuration,
  headerName,
  host,
  MAX_DURATION_MS,
  parseByteSize,
  parseDuration,
  parseRate,
  port,
  rate,
  ratio,
  secret,
  workerUrl,
} from './scalars.js';
import { isSecretKey, redactUrls, Secret } from './secret.js';

const BAD = Symbol('refused');

function parse(schema: z.ZodType, input: unknown): unknown {
  const result = schema.safeParse(input);
  return result.success ? result.data : BAD;
}

const CASES: readonly (readonly [string, z.ZodType, readonly (readonly [unknown, unknown])[]])[] = [
  [
    'duration',
    duration(),
    [
      ['250ms', 250],
      ['30s', 30_000],
      ['5m', 300_000],
      ['1h30m', 5_400_000],
      ['1.5s', 1500],
      ['1d', 86_400_000],
      ['0', 0],
      [0, 0],
      [30, BAD],
      ['30', BAD],
      ['-1s', BAD],
      ['1 s', BAD],
      ['s', BAD],
      ['', BAD],
      ['25d', BAD],
      [true, BAD],
    ],
  ],
  [
    'size',
    byteSize(),
    [
      ['512MiB', 536_870_912],
      ['64KiB', 65_536],
      ['1.5KiB', 1536],
      ['1GB', 1_000_000_000],
      ['1 kB', 1000],
      ['7B', 7],
      [0, 0],
      ['0.3B', BAD],
      ['64K', BAD],
      [512, BAD],
      ['100GiB', BAD],
    ],
  ],
  [
    'rate',
    rate(),
    [
      ['600/min', { count: 600, periodMs: 60_000 }],
      ['10/s', { count: 10, periodMs: 1000 }],
      ['10', BAD],
      ['10/fortnight', BAD],
    ],
  ],
  [
    'share',
    ratio(),
    [
      ['20%', 0.2],
      [0.25, 0.25],
      ['0.5', 0.5],
      ['101%', BAD],
      [1.1, BAD],
      ['x', BAD],
    ],
  ],
  [
    'header name',
    headerName(),
    [
      ['X-Request-Id', 'x-request-id'],
      ['a b', BAD],
      ['', BAD],
      ['a:', BAD],
    ],
  ],
  [
    'host',
    host(),
    [
      ['0.0.0.0', '0.0.0.0'],
      ['localhost', 'localhost'],
      ['::1', '::1'],
      ['[::]', '::'],
      ['a b', BAD],
      ['', BAD],
      ['http://x', BAD],
    ],
  ],
  [
    'port',
    port(),
    [
      [0, 0],
      [65_535, 65_535],
      [65_536, BAD],
      [1.5, BAD],
      ['80', BAD],
    ],
  ],
  [
    'worker URL',
    workerUrl(),
    [
      ['http://w1:8000', 'http://w1:8000'],
      ['https://w1/base/', 'https://w1/base'],
      ['http://[::1]:80/', 'http://[::1]'],
      ['https://W1.Example:443/v1', 'https://w1.example/v1'],
      ['HTTP://w1', BAD],
      ['w1:8000', BAD],
      ['grpc://w1:1', BAD],
      ['http://', BAD],
      ['http://u:p@w1', BAD],
      ['http://w1/?a=b', BAD],
    ],
  ],
];

for (const [name, schema, rows] of CASES) {
  describe(`a ${name}`, () => {
    for (const [input, expected] of rows) {
      it(`${JSON.stringify(input)} ${expected === BAD ? 'is refused' : `gives ${JSON.stringify(expected)}`}`, () => {
        assert.deepEqual(parse(schema, input), expected);
      });
    }
  });
}

describe('bounds', () => {
  it('are named in the unit of the value', () => {
    const message = duration(1000, 60_000).safeParse('2m').error?.issues[0]?.message;
    assert.equal(message, 'must be at most 1m');
    assert.equal(byteSize(1024).safeParse('1B').error?.issues[0]?.message, 'must be at least 1KiB');
  });
});

describe('formatting', () => {
  it('gives back what was parsed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => parseDuration(formatDuration(ms)) === ms),
    );
    fc.assert(fc.property(fc.nat({ max: 2 ** 31 }), (bytes) => parseByteSize(formatByteSize(bytes)) === bytes));
  });

  it('takes the largest exact unit', () => {
    assert.equal(formatDuration(5_400_000), '90m');
    assert.equal(formatByteSize(65_536), '64KiB');
    assert.equal(parseRate('1/h')?.periodMs, 3_600_000);
  });
});

describe('a secret', () => {
  const value = new Secret('marked-value');

  it('shows itself in no text form', () => {
    for (const text of [`${value}`, JSON.stringify({ value }), inspect({ value }), String(value)]) {
      assert.ok(!text.includes('marked-value'), text);
    }
    assert.equal(value.reveal(), 'marked-value');
  });

  it('is deeply equal to another one exactly when the values are', () => {
    assert.deepStrictEqual(new Secret('marked-value'), value);
    assert.notDeepStrictEqual(new Secret('other'), value);
  });

  it('is what the schema makes of a text, and never empty', () => {
    assert.ok(parse(secret(), 'k') instanceof Secret);
    assert.equal(parse(secret(), ''), BAD);
  });
});

describe('secret keys', () => {
  it('are recognised by name in any spelling', () => {
    for (const key of ['api_key', 'apiKey', 'key', 'keys', 'db_password', 'token', 'access-token', 'client_secret']) {
      assert.ok(isSecretKey(key), key);
    }
    for (const key of ['keyboard', 'max_tokens', 'tokens', 'monkey', 'port', 'url']) assert.ok(!isSecretKey(key), key);
  });

  it('credentials in URLs are taken out', () => {
    assert.equal(redactUrls('at postgres://u:p@h/db and http://h'), 'at postgres://***@h/db and http://h');
  });
});
