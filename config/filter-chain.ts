import type { ConfigIssue } from './config-errors.js';
import {
  type ConfigNode,
  type ConfigPath,
  childOf,
  formatPath,
  itemsOf,
  type MapNode,
  mapNode,
  nodeAt,
  type Origin,
  scalarNode,
  textOf,
  withEntry,
  withoutEntry,
} from './config-node.js';
import { didYouMean } from './did-you-mean.js';
import { FILTER_PRESETS, type FilterPreset, INSERTION_ANCHOR, TERMINAL_FILTER } from './filters.js';
import { mergeNodes } from './node-merge.js';

/** One filter of the expanded chain, still as nodes. */
export interface ChainItem {
  readonly name: string;
  readonly type: string;
  readonly config: MapNode;
  readonly match: ConfigNode | undefined;
  readonly origin: Origin;
  /** Path of the entry as written. */
  readonly path: ConfigPath;
  readonly fromPreset: boolean;
}

/** Top-level settings that are the default config of the filter of that name. */
export interface FilterBlock {
  readonly filter: string;
  /** Where the block stands. */
  readonly path: readonly string[];
  /** Config made of it; undefined when it says nothing. */
  toConfig(block: ConfigNode): ConfigNode | undefined;
}

function entryAs(key: string, from = key) {
  return (block: ConfigNode): ConfigNode | undefined => {
    const value = childOf(block, from);
    return value === undefined ? undefined : mapNode([[key, value]], block.path, block.origin);
  };
}

function wrappedAs(key: string) {
  return (block: ConfigNode): ConfigNode => mapNode([[key, block]], block.path, block.origin);
}

/**
 * Routes as the filter `model` takes them: it picks the cluster and the time limit, not the changes of filters. Where
 * another cluster may help out, a model that the first one lacks is not the end.
 */
function routesOf(block: ConfigNode): ConfigNode | undefined {
  if (block.kind !== 'list' || block.items.length === 0) return undefined;
  const items = block.items.map((route) => {
    if (route.kind !== 'map') return route;
    const change = nodeAt(route, 'filters', 'fallback');
    const own = withoutEntry(route, 'filters');
    if (childOf(change, 'config') === undefined || isOn(childOf(change as ConfigNode, 'disabled'))) return own;
    return withEntry(own, 'may_lack_model', scalarNode(true, route.path, route.origin));
  });
  return mapNode([['routes', { ...block, items }]], block.path, block.origin);
}

/** The prices of models that have one. */
function modelPricesOf(block: ConfigNode): ConfigNode | undefined {
  if (block.kind !== 'map') return undefined;
  const prices = [...block.entries].flatMap(([name, { value }]): [string, ConfigNode][] => {
    const cost = name === 'aliases' ? undefined : childOf(value, 'cost');
    return cost === undefined ? [] : [[name, cost]];
  });
  if (prices.length === 0) return undefined;
  return mapNode([['models', mapNode(prices, block.path, block.origin)]], block.path, block.origin);
}

/** The one table of blocks and filters. */
export const FILTER_BLOCKS: readonly FilterBlock[] = [
  { filter: 'request_id', path: ['telemetry', 'request_id'], toConfig: (block) => block },
  { filter: 'telemetry', path: ['telemetry', 'logs'], toConfig: entryAs('access_log', 'access') },
  { filter: 'cors', path: ['cors'], toConfig: (block) => block },
  { filter: 'auth', path: ['auth'], toConfig: (block) => block },
  { filter: 'rate_limit', path: ['limits', 'rate'], toConfig: wrappedAs('global') },
  { filter: 'rate_limit', path: ['limits', 'address'], toConfig: wrappedAs('address') },
  { filter: 'rate_limit', path: ['limits', 'tenants'], toConfig: wrappedAs('tenants') },
  { filter: 'rate_limit', path: ['tenants'], toConfig: wrappedAs('identity') },
  { filter: 'admission', path: ['limits', 'concurrency'], toConfig: (block) => block },
  { filter: 'model', path: ['models'], toConfig: entryAs('aliases') },
  { filter: 'model', path: ['routes'], toConfig: routesOf },
  { filter: 'cost', path: ['cost'], toConfig: (block) => block },
  { filter: 'cost', path: ['models'], toConfig: modelPricesOf },
  { filter: 'retry', path: ['resilience', 'retry'], toConfig: (block) => block },
];

/** Blocks that lead nowhere when the chain lacks their filter; `auth` there would leave the gateway open. */
const NEEDS_FILTER = ['auth', 'cors', 'rate_limit', 'admission', 'model', 'cost', 'retry', 'request_id'];

function isOn(node: ConfigNode | undefined): boolean {
  return node?.kind === 'scalar' && (node.value === true || node.value === 'true');
}

/** Whether a node says `off` (or `false`). */
export function isOff(node: ConfigNode | undefined): boolean {
  return node?.kind === 'scalar' && (node.value === 'off' || node.value === false);
}

/** The chain written out, with the problems that were met on the way. */
export interface ExpandedChain {
  readonly items: readonly ChainItem[];
  readonly issues: readonly ConfigIssue[];
}

/** Expands presets, replaces and removes by name, moves by anchors, adds `upstream`, fills in the top-level blocks. */
export function expandFilterChain(root: MapNode): ExpandedChain {
  return new ChainBuilder(root).build();
}

class ChainBuilder {
  readonly #root: MapNode;
  readonly #issues: ConfigIssue[] = [];
  #items: ChainItem[] = [];
  #presetSeen = false;
  readonly #removed = new Set<string>();
  readonly #moves: { name: string; anchor: string; side: 'before' | 'after'; entry: ConfigNode }[] = [];

  constructor(root: MapNode) {
    this.#root = root;
  }

  build(): ExpandedChain {
    const list = childOf(this.#root, 'filters');
    for (const entry of itemsOf(list)) this.#add(entry);
    for (const move of this.#moves) this.#move(move);
    const origin = list?.origin ?? this.#root.origin;
    if (!this.#items.some((item) => item.type === TERMINAL_FILTER)) {
      this.#items.push(this.#bare(TERMINAL_FILTER, origin, ['filters']));
    }
    if (isOff(nodeAt(this.#root, 'resilience', 'retry'))) {
      this.#items = this.#items.filter((item) => item.name !== 'retry');
    }
    for (const block of FILTER_BLOCKS) this.#applyBlock(block);
    return { items: this.#items, issues: this.#issues };
  }

  #bare(name: string, origin: Origin, path: ConfigPath): ChainItem {
    const config = mapNode([], path, origin);
    return { name, type: name, config, match: undefined, origin, path, fromPreset: true };
  }

  #add(entry: ConfigNode): void {
    const preset = textOf(entry, 'preset');
    if (preset !== undefined) {
      this.#addPreset(entry, preset);
      return;
    }
    const name = textOf(entry, 'name') ?? textOf(entry, 'type');
    if (name === undefined) {
      this.#report(entry, [], 'needs a name, a type or a preset');
      return;
    }
    const index = this.#items.findIndex((item) => item.name === name);
    if (isOn(childOf(entry, 'disabled'))) {
      if (index >= 0) this.#items.splice(index, 1);
      this.#removed.add(name);
      return;
    }
    const item = this.#itemOf(entry, name);
    if (index >= 0 && this.#items[index]?.fromPreset === true) this.#items[index] = item;
    else if (index >= 0) this.#report(entry, ['name'], `the name "${name}" stands twice in the chain`);
    else this.#insert(item);
    for (const side of ['before', 'after'] as const) {
      const anchor = textOf(entry, side);
      if (anchor !== undefined) this.#moves.push({ name, anchor, side, entry });
    }
  }

  #addPreset(entry: ConfigNode, preset: string): void {
    const names = FILTER_PRESETS[preset as FilterPreset] as readonly string[] | undefined;
    for (const key of ['name', 'type', 'config', 'match', 'before', 'after', 'disabled']) {
      if (childOf(entry, key) !== undefined) this.#report(entry, [key], 'has no effect beside preset');
    }
    // An unknown preset is reported by the schema of the entry.
    for (const name of names ?? []) {
      if (!this.#items.some((item) => item.name === name)) this.#items.push(this.#bare(name, entry.origin, entry.path));
    }
    this.#presetSeen = true;
  }

  #itemOf(entry: ConfigNode, name: string): ChainItem {
    const config = childOf(entry, 'config');
    return {
      name,
      type: textOf(entry, 'type') ?? name,
      config: config?.kind === 'map' ? config : mapNode([], [...entry.path, 'config'], entry.origin),
      match: childOf(entry, 'match'),
      origin: entry.origin,
      path: entry.path,
      fromPreset: false,
    };
  }

  #insert(item: ChainItem): void {
    const anchor = this.#items.findIndex((other) => other.name === INSERTION_ANCHOR);
    if (this.#presetSeen && anchor >= 0 && item.type !== TERMINAL_FILTER) this.#items.splice(anchor, 0, item);
    else this.#items.push(item);
  }

  /** Several entries behind one anchor keep the order in which they were written. */
  #move(move: { name: string; anchor: string; side: 'before' | 'after'; entry: ConfigNode }): void {
    const from = this.#items.findIndex((item) => item.name === move.name);
    if (from < 0) return;
    if (!this.#items.some((item) => item.name === move.anchor) || move.anchor === move.name) {
      const names = this.#items.map((item) => item.name).filter((name) => name !== move.name);
      this.#report(move.entry, [move.side], `no filter "${move.anchor}" in the chain${didYouMean(move.anchor, names)}`);
      return;
    }
    const [item] = this.#items.splice(from, 1) as [ChainItem];
    let to = this.#items.findIndex((other) => other.name === move.anchor);
    if (move.side === 'after') {
      to++;
      const followers = this.#moves.filter((other) => other.side === 'after' && other.anchor === move.anchor);
      const earlier = new Set(followers.slice(0, followers.indexOf(move)).map((other) => other.name));
      while (to < this.#items.length && earlier.has((this.#items[to] as ChainItem).name)) to++;
    }
    this.#items.splice(to, 0, item);
  }

  #applyBlock(block: FilterBlock): void {
    const node = nodeAt(this.#root, ...block.path);
    if (node === undefined || isOff(node)) return;
    const config = block.toConfig(node);
    if (config === undefined) return;
    const index = this.#items.findIndex((item) => item.name === block.filter);
    if (index < 0) {
      const written = node.origin.source !== 'default';
      if (!written || !NEEDS_FILTER.includes(block.filter) || this.#removed.has(block.filter)) return;
      const message = `has no effect: the chain has no filter "${block.filter}"`;
      this.#issues.push({ origin: node.origin, path: formatPath(node.path), message });
      return;
    }
    if (config.kind !== 'map') return;
    const item = this.#items[index] as ChainItem;
    this.#items[index] = { ...item, config: mergeNodes(config, item.config) as MapNode };
  }

  #report(entry: ConfigNode, keys: readonly string[], message: string): void {
    const node = nodeAt(entry, ...keys) ?? entry;
    this.#issues.push({ origin: node.origin, path: formatPath([...entry.path, ...keys]), message });
  }
}
