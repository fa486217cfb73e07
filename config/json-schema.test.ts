import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createBuiltInCatalog } from '../core/di/plugin-loader.js';
import { configJsonSchema } from './json-schema.js';
import { createStubCatalog } from './testing/stub-catalog.js';

type Schema = { [key: string]: unknown; properties: Record<string, Schema>; items: Schema; anyOf: Schema[] };

describe('the JSON Schema', () => {
  const schema = configJsonSchema(createStubCatalog()) as Schema;

  it('forbids unknown keys but those for notes', () => {
    assert.equal(schema.additionalProperties, false);
    assert.deepEqual(Object.keys(schema.patternProperties as object), ['^x-']);
  });

  it('shows defaults as they are written, units included', () => {
    const listener = schema.properties.listeners?.anyOf[1]?.items.anyOf[1] as Schema;
    assert.equal(listener.properties.limits?.properties.body?.default, '512MiB');
    assert.equal(listener.properties.port?.default, 30_000);
    assert.equal(listener.required, undefined);
  });

  it('knows shorthand', () => {
    assert.deepEqual(schema.properties.auth?.anyOf[0], { type: 'string' });
    assert.deepEqual(schema.properties.clusters?.anyOf[0], { type: 'array', items: { type: 'string' } });
  });

  it('has the settings of plugins where their blocks stand', () => {
    assert.deepEqual(Object.keys(schema.properties.auth?.anyOf[1]?.properties ?? {}), ['api_key', 'keys', 'mode']);
    const retry = schema.properties.resilience?.properties.retry;
    assert.deepEqual(Object.keys(retry?.anyOf[1]?.properties ?? {}), ['attempts', 'backoff']);
  });

  it('describes every setting of its own', () => {
    const missing: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [name, child] of Object.entries((node as Schema).properties ?? {})) {
        if (child.description === undefined && child.anyOf === undefined) missing.push(`${path}.${name}`);
        visit(child, `${path}.${name}`);
      }
      for (const key of ['items', 'additionalProperties'] as const) visit((node as Schema)[key], path);
      for (const member of (node as Schema).anyOf ?? []) visit(member, path);
    };
    visit(configJsonSchema(undefined), '');
    assert.deepEqual(missing, []);
  });

  it('in config/schema.json is current (npm run schema writes it)', async () => {
    const path = fileURLToPath(new URL('./schema.json', import.meta.url));
    const committed = JSON.parse(await readFile(path, 'utf8')) as unknown;
    assert.deepEqual(JSON.parse(JSON.stringify(configJsonSchema(createBuiltInCatalog()))), committed);
  });
});
