import type { FilterFactoryCb, StreamFilter } from '../api/filter.js';

/** One entry of the chain, built: what the compiler needs to know of it. */
export interface ChainEntry {
  /** Unique in the chain; names it in stats and errors. */
  readonly name: string;
  readonly factory: FilterFactoryCb;
  readonly nesting: boolean;
}

/** Callbacks that are looked up per run, as bits of a presence mask. */
const CALLBACKS = [
  'decodeHeaders',
  'decodeData',
  'decodeTrailers',
  'decodeRequest',
  'encodeHeaders',
  'encodeData',
  'encodeEvent',
  'encodeDelta',
  'encodeTrailers',
  'onStreamComplete',
  'onDestroy',
] as const satisfies readonly (keyof StreamFilter)[];

/**
 * Which filters listen to what, as index lists in the order of the calls: decoders downwards, encoders upwards. Made
 * once per combination of filters that has occurred, then shared by all runs.
 */
export interface CallPlan {
  readonly decodeHeaders: readonly number[];
  readonly decodeData: readonly number[];
  readonly decodeTrailers: readonly number[];
  readonly decodeRequest: readonly number[];
  readonly encodeHeaders: readonly number[];
  /** Filters with `encodeData` or `encodeEvent`: who sees bytes. */
  readonly encodeBytes: readonly number[];
  readonly encodeDelta: readonly number[];
  readonly encodeTrailers: readonly number[];
  readonly onStreamComplete: readonly number[];
  readonly onDestroy: readonly number[];
  /** Whether somebody wants event streams split. */
  readonly wantsEvents: boolean;
}

const masksByPrototype = new WeakMap<object, number>();

function maskOf(filter: StreamFilter | undefined): number {
  if (filter === undefined) return 0;
  const prototype: object = Object.getPrototypeOf(filter);
  if (prototype === Object.prototype) return computeMask(filter);
  let mask = masksByPrototype.get(prototype);
  if (mask === undefined) {
    mask = computeMask(filter);
    masksByPrototype.set(prototype, mask);
  }
  return mask;
}

function computeMask(filter: StreamFilter): number {
  let mask = 0;
  for (let bit = 0; bit < CALLBACKS.length; bit++) {
    if (typeof filter[CALLBACKS[bit] as keyof StreamFilter] === 'function') mask |= 1 << bit;
  }
  return mask;
}

/**
 * A stretch of the chain that runs as one: from below one nesting filter down to the next one (which is its last
 * member) or to the terminal filter.
 */
export class ChainSegment {
  readonly entries: readonly ChainEntry[];
  /** What the last filter opens when it nests; undefined below the terminal filter. */
  readonly inner: ChainSegment | undefined;
  /** Plan of the last run and the prototypes that it was made for: nearly every run is like the one before. */
  #lastShape: (object | null)[] = [];
  #lastPlan: CallPlan | undefined = undefined;
  readonly #plans = new Map<string, CallPlan>();

  constructor(entries: readonly ChainEntry[], inner: ChainSegment | undefined) {
    this.entries = entries;
    this.inner = inner;
  }

  /** The plan for these filters; `undefined` stands for a filter that left itself out. */
  planFor(filters: readonly (StreamFilter | undefined)[]): CallPlan {
    const shape = this.#lastShape;
    let same = this.#lastPlan !== undefined;
    for (let i = 0; same && i < filters.length; i++) {
      const filter = filters[i];
      const prototype: object | null = filter === undefined ? null : Object.getPrototypeOf(filter);
      same = prototype === shape[i] && prototype !== Object.prototype;
    }
    if (same) return this.#lastPlan as CallPlan;
    const masks = filters.map(maskOf);
    const key = masks.join();
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = makePlan(masks);
      this.#plans.set(key, plan);
    }
    this.#lastShape = filters.map((filter) =>
      filter === undefined ? null : (Object.getPrototypeOf(filter) as object),
    );
    this.#lastPlan = plan;
    return plan;
  }
}

function makePlan(masks: readonly number[]): CallPlan {
  const down = (...names: (typeof CALLBACKS)[number][]): number[] => {
    const wanted = names.reduce((bits, name) => bits | (1 << CALLBACKS.indexOf(name)), 0);
    return masks.flatMap((mask, index) => ((mask & wanted) === 0 ? [] : [index]));
  };
  const up = (...names: (typeof CALLBACKS)[number][]): number[] => down(...names).reverse();
  return {
    decodeHeaders: down('decodeHeaders'),
    decodeData: down('decodeData'),
    decodeTrailers: down('decodeTrailers'),
    decodeRequest: down('decodeRequest'),
    encodeHeaders: up('encodeHeaders'),
    encodeBytes: up('encodeData', 'encodeEvent'),
    encodeDelta: up('encodeDelta'),
    encodeTrailers: up('encodeTrailers'),
    onStreamComplete: up('onStreamComplete'),
    onDestroy: up('onDestroy'),
    wantsEvents: down('encodeEvent').length > 0,
  };
}

/** Cuts the chain at its nesting filters. The last entry must be the terminal filter. */
export function compileChain(entries: readonly ChainEntry[]): ChainSegment {
  let inner: ChainSegment | undefined;
  let end = entries.length;
  for (let i = entries.length - 2; i >= 0; i--) {
    if (entries[i]?.nesting !== true) continue;
    inner = new ChainSegment(entries.slice(i + 1, end), inner);
    end = i + 1;
  }
  return new ChainSegment(entries.slice(0, end), inner);
}
