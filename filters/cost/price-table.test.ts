import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '../../core/api/index.js';
import { configSchema, isEnabled, priceTableSchema } from './config.js';
import { loadPriceTables, readBuiltInPrices } from './price-sources.js';
import { namesOf, PriceTable } from './price-table.js';

const rates = (input: number): object => ({ input, output: 0 });

function nameOf(table: PriceTable, model: string, provider?: string): string | undefined {
  return table.find(provider, namesOf(model))?.name;
}

describe('a price table', () => {
  const table = new PriceTable(
    priceTableSchema.parse({
      as_of: '2026-01-01',
      models: { llama: rates(1), 'llama-*': rates(2), 'llama-3-*': rates(3), '*': rates(4) },
      providers: {
        openai: { 'gpt-4o': rates(1), 'gpt-4o-2024-05-13': rates(2), 'gpt-4o-mini': rates(3) },
        anthropic: { 'claude-sonnet-4-5': rates(1) },
      },
    }),
    'v',
  );

  it('knows names, dated names, and those with whose they are', () => {
    assert.equal(nameOf(table, 'gpt-4o', 'openai'), 'gpt-4o');
    assert.equal(nameOf(table, 'GPT-4o-2024-08-06', 'openai'), 'gpt-4o');
    assert.equal(nameOf(table, 'gpt-4o-2024-05-13', 'openai'), 'gpt-4o-2024-05-13');
    assert.equal(nameOf(table, 'openai/gpt-4o-mini-latest', 'openai'), 'gpt-4o-mini');
    assert.equal(nameOf(table, 'claude-sonnet-4-5-20250929', 'anthropic'), 'claude-sonnet-4-5');
    assert.equal(nameOf(table, 'claude-sonnet-4-5@20250929', 'anthropic'), 'claude-sonnet-4-5');
  });

  it('keeps providers apart, but for who sells the same', () => {
    assert.equal(nameOf(table, 'gpt-4o', 'azure'), 'gpt-4o');
    assert.equal(nameOf(table, 'gpt-4o', 'xai'), '*');
    assert.equal(nameOf(table, 'gpt-4o'), '*');
  });

  it('takes the exact name, then the pattern with more letters', () => {
    assert.equal(nameOf(table, 'llama'), 'llama');
    assert.equal(nameOf(table, 'llama-2'), 'llama-*');
    assert.equal(nameOf(table, 'meta/llama-3-8b'), 'llama-3-*');
    assert.equal(nameOf(table, 'a.b(c'), '*');
  });
});

describe('the tables of a configuration', () => {
  const load = (settings: object): Promise<readonly PriceTable[]> => loadPriceTables(configSchema.parse(settings));
  const priceOf = async (settings: object, model: string): Promise<readonly [number, string] | undefined> => {
    for (const table of await load(settings)) {
      const price = table.find('openai', namesOf(model));
      if (price !== undefined) return [price.nanosOf({ promptTokens: 1_000_000 }) / 1e9, price.version];
    }
    return undefined;
  };

  it('are asked in order: the model, the own table, the built-in one', async () => {
    const builtIn = (await readBuiltInPrices()).as_of;
    const prices = { as_of: '2026-02-01', providers: { openai: { 'gpt-4o': rates(7) } } };
    const text = 'as_of: "2026-03-01"\nmodels: { gpt-*: { input: 8, output: 0 } }';
    assert.deepEqual(await priceOf({}, 'gpt-4o'), [2.5, builtIn]);
    assert.deepEqual(await priceOf({ prices }, 'gpt-4o'), [7, '2026-02-01']);
    assert.deepEqual(await priceOf({ prices }, 'gpt-4o-mini'), [0.15, builtIn]);
    assert.deepEqual(await priceOf({ prices: text }, 'gpt-4o'), [8, '2026-03-01']);
    assert.deepEqual(await priceOf({ prices, models: { 'gpt-4o': rates(9) } }, 'gpt-4o'), [9, 'config']);
    assert.equal(await priceOf({ built_in: false }, 'gpt-4o'), undefined);
    assert.equal(await priceOf({ currency: 'EUR' }, 'gpt-4o'), undefined);
  });

  it('are refused where they cannot be used', async () => {
    for (const [prices, message] of [
      ['[', /no YAML/],
      ['as_of: yesterday', /as_of: must be a date/],
      ['as_of: "2026-01-01"\nmodels: { a: { input: -1, output: 1 } }', /models\.a\.input/],
      [{ as_of: '2026-01-01', currency: 'EUR' }, /in EUR, but currency is USD/],
    ] as const) {
      await assert.rejects(load({ prices }), (error) => error instanceof ConfigError && message.test(error.message));
    }
  });

  it('are there when anything is said of costs', () => {
    const enabled = (settings: object): boolean => isEnabled(configSchema.parse(settings));
    assert.equal(enabled({}), false);
    assert.equal(enabled({ enabled: true }), true);
    assert.equal(enabled({ header: true }), true);
    assert.equal(enabled({ models: { a: rates(1) } }), true);
    assert.equal(enabled({ models: { a: rates(1) }, enabled: false }), false);
  });
});

describe('the built-in prices', () => {
  it('have a date and are plausible: no cache dearer than its absence, no answer cheaper than its prompt', async () => {
    const { providers, as_of: date } = await readBuiltInPrices();
    assert.match(date, /^\d{4}-\d\d-\d\d$/);
    assert.deepEqual(Object.keys(providers).sort(), ['anthropic', 'gemini', 'openai', 'xai']);
    for (const [provider, models] of Object.entries(providers)) {
      for (const [name, price] of Object.entries(models)) {
        assert.equal(name, name.toLowerCase());
        for (const tier of [price, ...price.above]) {
          assert.ok((tier.cached_input ?? 0) <= tier.input, name);
          assert.ok(tier.output === 0 || tier.output >= tier.input, name);
          if (provider === 'anthropic') assert.ok((tier.cache_write_1h ?? 0) > (tier.cache_write ?? 0), name);
        }
      }
    }
  });
});
