import type { Attempt, Counter, Family, RequestCost, StatsScope, StreamInfo } from '../../core/api/index.js';
import { namesOf, type PriceTable } from './price-table.js';
import type { TokenPrice } from './token-price.js';

/** Pairs of provider and model whose price is remembered. Clients choose names, so they are not trusted to be few. */
const MAX_REMEMBERED = 1000;
/** Label of workers that are no cloud API. */
const OWN = 'own';

/** Prices the tries of requests and counts what they cost. */
export class CostLedger {
  readonly #tables: readonly PriceTable[];
  readonly #currency: string;
  readonly #cost: Family<Counter>;
  readonly #requests: Family<Counter>;
  /** By provider and names of the model; null: nobody has a price. */
  readonly #prices = new Map<string, TokenPrice | null>();

  constructor(tables: readonly PriceTable[], currency: string, stats: StatsScope) {
    this.#tables = tables;
    this.#currency = currency;
    this.#cost = stats.counter({
      name: 'smg_cost_total',
      help: 'Cost of all tries at workers, in units of the currency; model is the name in the price table',
      labels: ['provider', 'model', 'tenant', 'currency'],
      maxSeries: 5000,
    });
    this.#requests = stats.counter({
      name: 'smg_cost_requests_total',
      help: 'Requests that took tokens, by how well their cost is known: exact, estimated, unpriced, unknown',
      labels: ['outcome'],
    });
  }

  /** What is known now. Undefined when no try has both counts and a price. */
  costOf(streamInfo: StreamInfo): RequestCost | undefined {
    let nanos = 0;
    let priceVersion: string | undefined;
    let estimated = false;
    for (const attempt of streamInfo.attempts) {
      const { usage } = attempt;
      if (usage === undefined) continue;
      const price = this.#priceOf(attempt, streamInfo);
      if (price === undefined || usage.estimated === true) estimated = true;
      if (price === undefined) continue;
      nanos += price.nanosOf(usage);
      priceVersion = price.version;
    }
    return priceVersion === undefined ? undefined : { nanos, currency: this.#currency, priceVersion, estimated };
  }

  /** The request is over: counts it, once. */
  settle(streamInfo: StreamInfo): RequestCost | undefined {
    const tenant = streamInfo.principal?.tenant ?? '';
    let answered = false;
    let counted = false;
    for (const attempt of streamInfo.attempts) {
      const { usage, status, worker } = attempt;
      if (status >= 200 && status < 300) answered = true;
      if (usage === undefined) continue;
      counted = true;
      const price = this.#priceOf(attempt, streamInfo);
      if (price === undefined) continue;
      const units = price.nanosOf(usage) / 1e9;
      this.#cost.with(worker.provider ?? OWN, price.name, tenant, this.#currency).inc(units);
    }
    const cost = this.costOf(streamInfo);
    if (counted) this.#requests.with(cost === undefined ? 'unpriced' : cost.estimated ? 'estimated' : 'exact').inc();
    else if (answered) this.#requests.with('unknown').inc();
    return cost;
  }

  /** By the model that the worker was asked for, else by the alias of it that the client named. */
  #priceOf({ model, worker }: Attempt, { inference }: StreamInfo): TokenPrice | undefined {
    const requested = inference?.model === model ? inference?.requestedModel : undefined;
    const key = `${worker.provider ?? ''}\n${model ?? ''}\n${requested ?? ''}`;
    let price = this.#prices.get(key);
    if (price === undefined) {
      const named = [model, requested].filter((name) => name !== undefined);
      price = this.#find(worker.provider, named) ?? null;
      if (this.#prices.size >= MAX_REMEMBERED) this.#prices.clear();
      this.#prices.set(key, price);
    }
    return price ?? undefined;
  }

  #find(provider: string | undefined, models: readonly string[]): TokenPrice | undefined {
    for (const model of models) {
      const names = namesOf(model);
      for (const table of this.#tables) {
        const price = table.find(provider, names);
        if (price !== undefined) return price;
      }
    }
    return undefined;
  }
}
