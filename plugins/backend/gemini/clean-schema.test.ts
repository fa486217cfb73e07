import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../../../core/api/index.js';
import { cleanSchema } from './clean-schema.js';

const clean = (schema: JsonObject): JsonObject => cleanSchema(schema, 'parameters');

describe('JSON Schema for Gemini', () => {
  it('has its references inlined, siblings winning', () => {
    const schema = {
      $defs: { a: { type: 'object', properties: { b: { $ref: '#/definitions/x~1y' } } } },
      definitions: { 'x/y': { type: 'string', description: 'old' } },
      properties: { p: { $ref: '#/$defs/a' }, q: { $ref: '#/definitions/x~1y', description: 'new' } },
    };
    assert.deepEqual(clean(schema), {
      type: 'object',
      properties: {
        p: { type: 'object', properties: { b: { type: 'string', description: 'old' } } },
        q: { type: 'string', description: 'new' },
      },
    });
  });

  it('ends where references go in a circle, or nowhere', () => {
    const tree = { $defs: { t: { properties: { kids: { items: { $ref: '#/$defs/t' } } } } }, $ref: '#/$defs/t' };
    assert.deepEqual(clean(tree), {
      type: 'object',
      properties: { kids: { type: 'array', items: { type: 'object' } } },
    });
    assert.deepEqual(clean({ $ref: '#' }), { type: 'object' });
    assert.deepEqual(clean({ $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }), {
      type: 'object',
    });
    assert.deepEqual(clean({ $ref: 'https://example.com/x.json' }), { type: 'object' });
    assert.deepEqual(clean({ $ref: '#/nowhere', description: 'd' }), { description: 'd' });
  });

  it('does not unfold without bounds', () => {
    const $defs: JsonObject = {};
    for (let i = 0; i < 40; i++) {
      const next = { $ref: `#/$defs/d${i + 1}` };
      $defs[`d${i}`] = { type: 'object', properties: { l: next, r: next } };
    }
    $defs.d40 = { type: 'string' };
    assert.ok(JSON.stringify(clean({ $defs, $ref: '#/$defs/d0' })).length < 1_000_000);
    let deep: JsonObject = { type: 'string' };
    for (let i = 0; i < 1000; i++) deep = { allOf: [deep], properties: { a: deep } };
    assert.ok(JSON.stringify(clean(deep)).length < 1_000_000);
  });

  it('has its parts merged, the first winning', () => {
    const schema = {
      allOf: [
        { properties: { a: { type: 'string' } }, required: ['a'], title: 'first' },
        { properties: { a: { type: 'number' }, b: { type: 'boolean' } }, required: ['b'], title: 'second' },
      ],
      required: ['c'],
      properties: { c: {} },
    };
    assert.deepEqual(clean(schema), {
      type: 'object',
      title: 'first',
      properties: { a: { type: 'string' }, b: { type: 'boolean' }, c: {} },
      required: ['c', 'a', 'b'],
    });
  });

  it('says null as nullable', () => {
    const nullable = { type: 'string', nullable: true };
    assert.deepEqual(clean({ type: ['string', 'null'] }), nullable);
    assert.deepEqual(clean({ anyOf: [{ type: 'string' }, { type: 'null' }] }), nullable);
    assert.deepEqual(clean({ oneOf: [{ const: null }, { type: 'string' }] }), nullable);
    assert.deepEqual(
      clean({ $defs: { n: { enum: [null] } }, anyOf: [{ $ref: '#/$defs/n' }, { type: 'string' }] }),
      nullable,
    );
    assert.deepEqual(clean({ enum: ['a', null] }), { type: 'string', nullable: true, enum: ['a'] });
    assert.deepEqual(clean({ anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'null' }] }), {
      nullable: true,
      anyOf: [{ type: 'string' }, { type: 'number' }],
    });
  });

  it('has branches for several types, each with what is said about it', () => {
    const schema = { type: ['string', 'array', 'null'], minLength: 1, items: { type: 'number' }, description: 'd' };
    assert.deepEqual(clean(schema), {
      description: 'd',
      nullable: true,
      anyOf: [
        { type: 'string', minLength: 1 },
        { type: 'array', items: { type: 'number' } },
      ],
    });
  });

  it('has texts in enums only', () => {
    assert.deepEqual(clean({ const: 'x' }), { type: 'string', enum: ['x'] });
    assert.deepEqual(clean({ type: 'integer', enum: [1, 2], description: 'd' }), {
      type: 'integer',
      description: 'd\nOne of: 1, 2',
    });
    assert.deepEqual(cleanSchema({ type: 'integer', enum: [1, 'b', ''] }, 'response'), {
      type: 'string',
      enum: ['1', 'b'],
    });
  });

  it('keeps formats and fields that Gemini knows, and only those', () => {
    assert.deepEqual(
      clean({
        type: 'OBJECT',
        properties: { d: { type: 'string', format: 'date-time' }, u: { type: 'string', format: 'uri', minLength: 1 } },
        required: ['d', 'gone'],
        additionalProperties: false,
        $schema: 'x',
        strict: true,
        patternProperties: {},
      }),
      {
        type: 'object',
        properties: { d: { type: 'string', format: 'date-time' }, u: { type: 'string', minLength: 1 } },
        required: ['d'],
      },
    );
  });

  it('takes properties that are called like keywords', () => {
    const properties = { $ref: { type: 'string' }, const: { type: 'number' }, required: { type: 'boolean' } };
    assert.deepEqual(clean({ properties }), { type: 'object', properties });
    const odd = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}') as JsonObject;
    assert.equal(JSON.stringify(clean(odd)), '{"properties":{"__proto__":{"type":"string"}},"type":"object"}');
  });

  it('changes nothing the second time, ends always, and leaves its input alone', () => {
    fc.assert(
      fc.property(arbitrarySchema, fc.constantFrom('parameters' as const, 'response' as const), (schema, use) => {
        const before = JSON.stringify(schema);
        const once = cleanSchema(schema, use);
        assert.equal(JSON.stringify(schema), before);
        assert.deepEqual(cleanSchema(once, use), once);
        assertKnown(once);
      }),
      { numRuns: 500 },
    );
  });
});

/** Nothing is left that Gemini would refuse. */
function assertKnown(schema: unknown): void {
  const text = JSON.stringify(schema);
  assert.doesNotMatch(text, /"(?:\$ref|\$defs|allOf|oneOf|const|additionalProperties|not)":/);
}

const REFS = ['#', '#/$defs/a', '#/$defs/b', '#/properties/x', '#/nowhere', 'other.json', '#/%'];

const { node: arbitraryNode } = fc.letrec<{ node: JsonObject; child: JsonObject }>((tie) => ({
  child: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'schema' },
    fc.constantFrom<JsonObject>({}, { type: 'string' }),
    tie('node'),
  ),
  node: fc.record(
    {
      $ref: fc.constantFrom(...REFS),
      type: fc.oneof(
        fc.constantFrom<unknown>('string', 'integer', 'object', 'array', 'null', 'STRING', 5),
        fc.array(fc.constantFrom('string', 'integer', 'object', 'array', 'null'), { maxLength: 3 }),
      ),
      allOf: fc.array(tie('child'), { maxLength: 2 }),
      anyOf: fc.array(fc.oneof(tie('child'), fc.constant({ type: 'null' }), fc.constant(true)), { maxLength: 3 }),
      oneOf: fc.array(tie('child'), { maxLength: 2 }),
      const: fc.constantFrom<unknown>('a', 1, null),
      enum: fc.array(fc.constantFrom<unknown>('a', 'b', '', 1, true, null), { maxLength: 3 }),
      items: fc.oneof(tie('child'), fc.array(tie('child'), { maxLength: 2 }), fc.constant(true)),
      properties: fc.dictionary(fc.constantFrom('x', 'y', 'z'), tie('child'), { maxKeys: 2 }),
      required: fc.array(fc.constantFrom('x', 'y', 'w'), { maxLength: 3 }),
      format: fc.constantFrom('date-time', 'uri', 'int32'),
      description: fc.constantFrom('d', 'e'),
      nullable: fc.boolean(),
      additionalProperties: fc.boolean(),
      not: tie('child'),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonObject>,
}));

const arbitrarySchema = fc
  .record({ node: arbitraryNode, a: arbitraryNode, b: arbitraryNode })
  .map(({ node, a, b }): JsonObject => ({ ...node, $defs: { a, b } }));
