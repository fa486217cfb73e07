import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { JsonScanner } from './json-scan.js';

const scanner = new JsonScanner();

/** Whether `JSON.parse` takes it as an object: the oracle. Invalid UTF-8 is refused before it would see it. */
function isJsonObject(bytes: Buffer): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function agrees(bytes: Buffer): boolean {
  const found = scanner.scan(bytes);
  const expected = isJsonObject(bytes);
  assert.equal(found !== undefined, expected, `${JSON.stringify(bytes.toString('latin1'))}: ${scanner.fault}`);
  if (found === undefined) assert.ok(scanner.faultOffset >= 0 && scanner.faultOffset <= bytes.length);
  return expected;
}

/** Every field must be found with the value that `JSON.parse` gives it. */
function fieldsAgree(bytes: Buffer): void {
  const spans = scanner.scan(bytes);
  assert.ok(spans);
  const value = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
  for (const name of Object.keys(value)) {
    const span = spans.find(name);
    assert.ok(span, name);
    assert.deepEqual(JSON.parse(bytes.toString('utf8', span.start, span.end)), value[name]);
  }
  assert.equal(spans.find('no such field'), undefined);
  assert.equal(bytes[spans.closeOffset], 0x7d);
  assert.equal(spans.empty, Object.keys(value).length === 0);
}

function place(bytes: Buffer, offset: number): Buffer {
  const memory = Buffer.alloc(bytes.length + 16, 0x22);
  bytes.copy(memory, offset);
  return memory.subarray(offset, offset + bytes.length);
}

const key = fc.oneof(
  fc.constantFrom('model', 'stream', 'é', '__proto__', 'a"b', 'tab\t'),
  fc.string({ unit: 'binary' }),
);
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', minLength: 90, maxLength: 400 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.constantFrom<unknown>(true, false, null, [], {}),
    fc.array(fc.nat(200_000), { maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
})).value;
const body = fc
  .tuple(fc.dictionary(key, value, { maxKeys: 6 }), fc.constantFrom<string | number>('', 1, '\t', ' \r\n'))
  .map(([object, indent]) => Buffer.from(JSON.stringify(object, null, indent)));

/** Texts at the edges of the grammar, and whether they are accepted is for `JSON.parse` to say. */
const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '"a"',
  '"model"',
  '"\\u00e9"',
  '"\\ud800"',
  '"\\x"',
  '"\\u12"',
  '0',
  '-0',
  '01',
  '-',
  '1.',
  '.5',
  '1.5',
  '1e5',
  '1E+5',
  '1e',
  '1e-',
  '+1',
  '0x1',
  '00',
  '12,',
  ' 7',
  'true',
  'false',
  'null',
  'nul',
  'True',
  'NaN',
  'Infinity',
  'undefined',
  ' ',
  '\t',
  '\n',
  '\r',
  '\v',
  '\u00a0',
  '\ufeff',
  '\u2028',
  '"\n"',
  '"\u007f"',
  '"\0"',
  '//',
  '/**/',
  "'a'",
  'é',
  '😀',
  `"${'x'.repeat(120)}"`,
  `"${'x'.repeat(120)}\\n"`,
  `"${'x'.repeat(120)}\n"`,
  `"${'é'.repeat(50)}\u0001"`,
];

describe('JsonScanner', () => {
  it('accepts what JSON.stringify writes and finds every field', () => {
    fc.assert(
      fc.property(body, fc.nat(7), (bytes, offset) => {
        assert.ok(agrees(bytes));
        fieldsAgree(place(bytes, offset));
      }),
      { numRuns: 400 },
    );
  });

  it('agrees with JSON.parse on token soup', () => {
    const soup = fc.array(fc.constantFrom(...TOKENS), { maxLength: 10 });
    fc.assert(
      fc.property(soup, fc.boolean(), (tokens, wrapped) => {
        const text = wrapped ? `{"a":${tokens.join('')}}` : tokens.join('');
        agrees(Buffer.from(text));
        agrees(Buffer.from(`{"pad":"${'p'.repeat(260)}","a":[${tokens.join('')}]}`));
      }),
      { numRuns: 3000 },
    );
    for (const token of TOKENS) {
      agrees(Buffer.from(`{"a":${token}}`));
      agrees(Buffer.from(`{"a":[${token}]}`));
      agrees(Buffer.from(`{"a":[1,2,${token},3]}`));
      agrees(Buffer.from(`{${token}:1}`));
      agrees(Buffer.from(`{"a":1}${token}`));
      agrees(Buffer.from(`${token}{"a":1}`));
    }
  });

  it('agrees with JSON.parse after any byte was changed, dropped or added', () => {
    const mutation = fc.tuple(
      fc.nat(),
      fc.constantFrom('set', 'drop', 'add'),
      fc.oneof(fc.nat(255), fc.constantFrom(0x22, 0x5c, 0x0a, 0x2c, 0x80, 0xff)),
    );
    fc.assert(
      fc.property(body, fc.array(mutation, { minLength: 1, maxLength: 3 }), fc.nat(3), (bytes, mutations, offset) => {
        const changed = [...bytes];
        for (const [where, how, byte] of mutations) {
          const at = where % (changed.length + 1);
          if (how === 'set') changed[at] = byte;
          else if (how === 'drop') changed.splice(at, 1);
          else changed.splice(at, 0, byte);
        }
        agrees(place(Buffer.from(changed), offset));
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses every cut of a body, at the byte where it ends', () => {
    const text = Buffer.from(
      JSON.stringify({
        model: 'm',
        messages: [{ role: 'user', content: `${'é'.repeat(150)}\n"` }],
        n: [1, 20, 300],
        t: true,
        x: -1.5e3,
      }),
    );
    for (let cut = 0; cut < text.length; cut++) {
      const part = text.subarray(0, cut);
      assert.equal(scanner.scan(part), undefined, `${cut}`);
      assert.ok(cut - scanner.faultOffset <= 1, `${cut}: ${scanner.faultOffset} ${scanner.fault}`);
    }
    assert.ok(scanner.scan(text));
  });

  it('finds one forbidden byte anywhere in a long string, at any alignment', () => {
    for (const bad of [0x00, 0x1f, 0x0a, 0x22, 0x5c, 0xff]) {
      for (let at = 0; at < 150; at++) {
        const bytes = Buffer.from(`{"a":"${'~'.repeat(150)}","pad":"${' '.repeat(150)}"}`);
        bytes[6 + at] = bad;
        assert.equal(agrees(place(bytes, at & 3)), false);
        if (bad < 0x20 || bad === 0xff) assert.equal(scanner.faultOffset, 6 + at);
      }
    }
  });

  it('takes the last of repeated fields, and names written with escapes', () => {
    const bytes = Buffer.from('{"model":"a","stream":false,"mod\\u0065l":"b"}');
    const span = scanner.scan(bytes)?.find('model');
    assert.equal(bytes.toString('utf8', span?.start, span?.end), '"b"');
  });

  it('finds fields also in a body with more than it keeps', () => {
    const object: Record<string, number> = {};
    for (let i = 0; i < 500; i++) object[`field_${i}`] = i;
    const text = JSON.stringify({ model: 'first', ...object }).replace('"field_499"', '"model":"last","field_499"');
    const spans = scanner.scan(Buffer.from(text));
    const read = (name: string): string => text.slice(spans?.find(name)?.start, spans?.find(name)?.end);
    assert.equal(read('field_499'), '499');
    assert.equal(read('field_3'), '3');
    assert.equal(read('model'), '"last"');
    assert.equal(spans?.find('field_500'), undefined);
    const deep = Buffer.from(text.replace('{', `{"deep":${'['.repeat(600)}${']'.repeat(600)},`));
    assert.ok(new JsonScanner(1000).scan(deep)?.find('field_499'));
  });

  it('bounds nesting without using the stack', () => {
    const nested = (levels: number): Buffer => Buffer.from(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`);
    assert.ok(scanner.scan(nested(512)));
    assert.equal(scanner.scan(nested(513)), undefined);
    assert.equal(scanner.fault, 'it is nested too deeply');
    assert.equal(scanner.faultOffset, 5 + 511);
    assert.equal(scanner.scan(Buffer.from(`{"a":${'[{"b":'.repeat(500_000)}`)), undefined);
    assert.equal(scanner.fault, 'it is nested too deeply');
  });

  for (const [text, fault, offset] of [
    ['', 'the body is empty', 0],
    [' \n', 'the body is empty', 0],
    ['[]', 'the body must be a JSON object', 0],
    ['\ufeff{}', 'the body must be a JSON object', 0],
    ['{"a":1', 'the body ends too early', 6],
    ['{"a":"x', 'the body ends too early', 7],
    ['{"a":1} x', 'there is text after the end of the object', 8],
    ['{a:1}', 'expected a field name in double quotes', 1],
    ['{"a":1,}', 'expected a field name in double quotes', 7],
    ['{"a" 1}', 'expected a colon', 5],
    ['{"a":[1 2]}', 'expected a comma or the end of the array', 8],
    ['{"a":1 "b":2}', 'expected a comma or the end of the object', 7],
    ['{"a":tru}', 'unexpected character', 8],
    ['{"a":1.}', 'invalid number', 7],
    ['{"a":"\\q"}', 'invalid escape sequence', 6],
    ['{"a":"\n"}', 'control characters in strings must be escaped', 6],
  ] as const) {
    it(`says why and where: ${JSON.stringify(text)}`, () => {
      assert.equal(scanner.scan(Buffer.from(text)), undefined);
      assert.equal(scanner.fault, fault);
      assert.equal(scanner.faultOffset, offset);
    });
  }

  it('reports invalid UTF-8 at its byte', () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"é'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]);
    assert.equal(scanner.scan(bytes), undefined);
    assert.equal(scanner.fault, 'invalid UTF-8');
    assert.equal(scanner.faultOffset, 8);
  });

  it('is linear: a large body of small tokens', () => {
    const bytes = Buffer.from(`{"a":[${'{"b":"c","d":[1,"\\n"]},'.repeat(200_000)}0]}`);
    assert.ok(scanner.scan(bytes));
  });
});
