import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RequestHeaders } from './headers.js';
import type { InferenceRequest } from './inference.js';
import { type RequestMatch, RequestTest, requestMatchSchema } from './request-match.js';
import { StreamInfo } from './stream-info.js';

interface Facts {
  readonly listener: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly tenant: string | undefined;
  readonly model: string | undefined;
  readonly stream: boolean;
}

const FACTS: Facts = {
  listener: 'main',
  method: 'POST',
  path: '/v1/chat/completions?a=/x',
  headers: ['x-tier', 'batch', 'x-other', 'z', 'x-tier', 'bulk-2'],
  tenant: 'red',
  model: 'llama-3',
  stream: true,
};

function takes(match: RequestMatch, facts: Partial<Facts> = {}): boolean {
  const { listener, method, path, headers, tenant, model, stream } = { ...FACTS, ...facts };
  const info = new StreamInfo('HTTP/1.1', '127.0.0.1', listener, method, path, 0);
  if (tenant !== undefined) info.principal = { tenant };
  const head = new RequestHeaders(method, path, 'gw', 'http', [...headers]);
  return new RequestTest(match).takes(info, head, { model, stream } as InferenceRequest);
}

const word = fc.constantFrom('a', 'b', 'c');
const item = fc.constantFrom('a', 'b', '*', '!a', '!c', '!*');
const list = fc.array(item, { minLength: 1, maxLength: 3 });
const condition = fc.record(
  {
    listeners: list,
    methods: list,
    paths: list,
    headers: fc.dictionary(fc.constantFrom('x-a', 'X-B'), fc.oneof(item, list), {
      minKeys: 1,
      maxKeys: 2,
      noNullPrototype: true,
    }),
    tenants: list,
    models: list,
    streaming: fc.boolean(),
  },
  { requiredKeys: [] },
);
const anyMatch: fc.Arbitrary<RequestMatch> = fc
  .tuple(condition, fc.option(fc.array(condition, { minLength: 1, maxLength: 3 }), { nil: undefined }))
  .map(([own, any]) => (any === undefined ? own : { ...own, any }));
const anyFacts: fc.Arbitrary<Facts> = fc.record({
  listener: word,
  method: word,
  path: word,
  headers: fc
    .array(fc.tuple(fc.constantFrom('x-a', 'x-b', 'x-c'), word), { maxLength: 4 })
    .map((fields) => fields.flat()),
  tenant: fc.option(word, { nil: undefined }),
  model: fc.option(word, { nil: undefined }),
  stream: fc.boolean(),
});

/** The rules word by word: some value that is wanted, and no value that is not. */
function agrees(patterns: readonly string[], values: readonly string[]): boolean {
  const meets = (pattern: string, value: string): boolean => pattern === '*' || pattern === value;
  const unwanted = patterns.filter((each) => each.startsWith('!')).map((each) => each.slice(1));
  const wanted = patterns.filter((each) => !each.startsWith('!'));
  if (values.some((value) => unwanted.some((pattern) => meets(pattern, value)))) return false;
  return wanted.length === 0 || values.some((value) => wanted.some((pattern) => meets(pattern, value)));
}

function expected({ any, ...own }: RequestMatch, facts: Facts): boolean {
  const fieldsOf = (name: string): string[] =>
    facts.headers.filter((_, index) => index % 2 === 1 && facts.headers[index - 1] === name);
  return (
    (own.listeners === undefined || agrees(own.listeners, [facts.listener])) &&
    (own.methods === undefined || agrees(own.methods, [facts.method])) &&
    (own.paths === undefined || agrees(own.paths, [facts.path])) &&
    Object.entries(own.headers ?? {}).every(([name, value]) =>
      agrees(typeof value === 'string' ? [value] : value, fieldsOf(name.toLowerCase())),
    ) &&
    (own.tenants === undefined || agrees(own.tenants, facts.tenant === undefined ? [] : [facts.tenant])) &&
    (own.models === undefined || agrees(own.models, [facts.model ?? ''])) &&
    (own.streaming === undefined || own.streaming === facts.stream) &&
    (any === undefined || any.some((choice) => expected(choice, facts)))
  );
}

describe('a match', () => {
  it('takes a request when every key, and one of the alternatives, does', () => {
    fc.assert(
      fc.property(anyMatch, anyFacts, (match, facts) => {
        assert.equal(takes(requestMatchSchema.parse(match), facts), expected(match, facts));
      }),
      { numRuns: 5000 },
    );
  });

  for (const [name, match, result] of [
    ['nothing asked', {}, true],
    ['the path without its query', { paths: ['/v1/chat/completions'] }, true],
    ['a repeated header by any of its values', { headers: { 'X-Tier': 'bulk-*' } }, true],
    ['no header of which one value is excluded', { headers: { 'x-tier': ['batch', '!bulk-*'] } }, false],
    ['a header that must be absent and is', { headers: { 'x-debug': '!*' } }, true],
    ['no header that must be absent and is there', { headers: { 'x-other': '!*' } }, false],
    ['no absent header by anything', { headers: { 'x-debug': '*' } }, false],
    ['alternatives beside a key', { methods: ['POST'], any: [{ models: ['gpt-*'] }, { streaming: true }] }, true],
    ['alternatives of which none fits', { any: [{ models: ['gpt-*'] }, { streaming: false }] }, false],
  ] as const) {
    it(`${result ? 'takes' : 'refuses'} ${name}`, () => assert.equal(takes(match as unknown as RequestMatch), result));
  }

  it('takes callers without a tenant only by exclusions', () => {
    assert.equal(takes({ tenants: ['*'] }, { tenant: undefined }), false);
    assert.equal(takes({ tenants: ['!internal'] }, { tenant: undefined }), true);
  });

  it('tells apart what can be answered when a stream begins', () => {
    const parts = (match: RequestMatch): [boolean, boolean] => {
      const { early, late } = new RequestTest(match);
      return [early !== undefined, late !== undefined];
    };
    assert.deepEqual(parts({}), [false, false]);
    assert.deepEqual(parts({ paths: ['/x'], any: [{ methods: ['GET'] }, { listeners: ['a'] }] }), [true, false]);
    assert.deepEqual(parts({ headers: { a: 'b' } }), [false, true]);
    assert.deepEqual(parts({ paths: ['/x'], any: [{ methods: ['GET'] }, { streaming: true }] }), [true, true]);
  });

  it('refuses what is no match', () => {
    for (const match of [
      { model: ['x'] },
      { models: [] },
      { any: [] },
      { any: [{ any: [{}] }] },
      { headers: { a: 1 } },
      { headers: { a: [] } },
      { streaming: 'yes' },
    ]) {
      assert.equal(requestMatchSchema.safeParse(match).success, false, JSON.stringify(match));
    }
  });
});
