import { compileGlob, providerFacts, type TextTest } from '../../core/api/index.js';
import type { PriceTableSettings, Rates } from './config.js';
import { TokenPrice } from './token-price.js';

/** Ends of names that say when a model was made, or that it is the newest. */
const DATE = /(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest|\d{3,4})|-preview-\d{2}-\d{2,4})$/;

interface Pattern {
  readonly test: TextTest;
  readonly price: TokenPrice;
}

/** Models by name and pattern. Names are compared without regard to case. */
class ModelPrices {
  readonly #exact = new Map<string, TokenPrice>();
  /** Those with more letters first. */
  readonly #patterns: readonly Pattern[];

  constructor(models: Readonly<Record<string, Rates>>, version: string) {
    const patterns: (Pattern & { readonly letters: number })[] = [];
    for (const [name, rates] of Object.entries(models)) {
      const price = new TokenPrice(name, version, rates);
      const lower = name.toLowerCase();
      if (!lower.includes('*')) this.#exact.set(lower, price);
      else patterns.push({ test: compileGlob(lower), price, letters: lower.replaceAll('*', '').length });
    }
    this.#patterns = patterns.sort((a, b) => b.letters - a.letters);
  }

  find(names: readonly string[]): TokenPrice | undefined {
    for (const name of names) {
      const price = this.#exact.get(name);
      if (price !== undefined) return price;
    }
    return this.#patterns.find(({ test }) => names.some(test))?.price;
  }
}

/** One table of prices. */
export class PriceTable {
  readonly #models: ModelPrices;
  readonly #providers: ReadonlyMap<string, ModelPrices>;

  /** `version` stands in the log beside costs. */
  constructor({ models, providers }: Pick<PriceTableSettings, 'models' | 'providers'>, version: string) {
    this.#models = new ModelPrices(models, version);
    this.#providers = new Map(
      Object.entries(providers).map(([name, prices]) => [name.toLowerCase(), new ModelPrices(prices, version)]),
    );
  }

  /** `names`: see {@link namesOf}. */
  find(provider: string | undefined, names: readonly string[]): TokenPrice | undefined {
    // Whoever sells another's models sells them at its prices.
    const seller = providerFacts(provider)?.modelsOf;
    return (
      (provider === undefined ? undefined : this.#providers.get(provider)?.find(names)) ??
      (seller === undefined ? undefined : this.#providers.get(seller)?.find(names)) ??
      this.#models.find(names)
    );
  }
}

/** Under which a model may stand in a table, the most exact first: itself, without whose it is, without its date. */
export function namesOf(model: string): readonly string[] {
  const full = model.toLowerCase();
  const bare = full.slice(full.lastIndexOf('/') + 1);
  const names = new Set([full, bare, full.replace(DATE, ''), bare.replace(DATE, '')]);
  return [...names].filter((name) => name !== '');
}
