import type { Counter } from '../../core/api/index.js';

/** Counters kept bound per map; the rest is looked up each time. Keys come from code, but also from plugins' code. */
const MAX_BOUND = 64;

/** Counters of one metric that differ in one label, bound on first use. */
export class BoundCounters {
  readonly #bind: (value: string) => Counter;
  readonly #bound = new Map<string, Counter>();

  constructor(bind: (value: string) => Counter) {
    this.#bind = bind;
  }

  get(value: string): Counter {
    let counter = this.#bound.get(value);
    if (counter === undefined) {
      counter = this.#bind(value);
      if (this.#bound.size < MAX_BOUND) this.#bound.set(value, counter);
    }
    return counter;
  }
}

/** The map under `key`, made when there is none. */
export function childMap<Key, ChildKey, Value>(map: Map<Key, Map<ChildKey, Value>>, key: Key): Map<ChildKey, Value> {
  let child = map.get(key);
  if (child === undefined) {
    child = new Map();
    map.set(key, child);
  }
  return child;
}
