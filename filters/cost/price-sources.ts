import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ConfigError } from '../../core/api/index.js';
import { type CostSettings, type PriceTableSettings, priceTableSchema } from './config.js';
import { PriceTable } from './price-table.js';

/** Version of prices that stand in the configuration itself. */
export const CONFIG_VERSION = 'config';

const BUILT_IN = join('filters', 'cost', 'prices.yaml');

/** The tables of a configuration, the first that has a model counts. Throws ConfigError for one that cannot be used. */
export async function loadPriceTables(settings: CostSettings): Promise<readonly PriceTable[]> {
  const { prices, models, currency, built_in: usesBuiltIn } = settings;
  const tables = [new PriceTable({ models, providers: {} }, CONFIG_VERSION)];
  if (prices !== undefined) {
    const own = typeof prices === 'string' ? parsePriceTable(prices) : prices;
    if (own.currency !== currency) {
      throw new ConfigError(`the prices are in ${own.currency}, but currency is ${currency}`, ['prices', 'currency']);
    }
    tables.push(new PriceTable(own, own.as_of));
  }
  if (usesBuiltIn) {
    const builtIn = await readBuiltInPrices();
    if (builtIn.currency === currency) tables.push(new PriceTable(builtIn, builtIn.as_of));
  }
  return tables;
}

/** The table that comes with the package. */
export async function readBuiltInPrices(): Promise<PriceTableSettings> {
  return parsePriceTable(await readFile(builtInFile(), 'utf8'));
}

/** Built or not, bundled or not, this file is somewhere below the package's folder. */
function builtInFile(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const file = join(dir, BUILT_IN);
    if (existsSync(file)) return file;
    if (dir === dirname(dir)) throw new Error(`${BUILT_IN} is missing: the installation is not complete`);
  }
}

function parsePriceTable(text: string): PriceTableSettings {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new ConfigError(`the price table is no YAML: ${error instanceof Error ? error.message : String(error)}`, [
      'prices',
    ]);
  }
  const result = priceTableSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.map(String).join('.') ?? '';
  throw new ConfigError(`the price table${path === '' ? '' : ` at ${path}`}: ${issue?.message ?? 'is not valid'}`, [
    'prices',
  ]);
}
