import { type FilterDefinition, MATCH_NEEDS } from '../core/api/index.js';
import type { PluginCatalog } from './catalog.js';
import type { ConfigIssue } from './config-errors.js';
import { type ConfigNode, type ConfigPath, childOf, formatPath, itemsOf, type MapNode } from './config-node.js';
import type { ChainItem } from './filter-chain.js';

/**
 * Order of the chain: what a filter or its `match` needs is given above it, exactly the last one ends the chain, and
 * routes change only what comes after the route is found. Unknown types are reported elsewhere.
 */
export function checkChain(root: MapNode, chain: readonly ChainItem[], catalog: PluginCatalog): ConfigIssue[] {
  return new ChainChecker(chain, catalog).check(root);
}

/** Name that the filter provides which finds the route of a request. */
const ROUTE = 'route';

interface KnownItem {
  readonly item: ChainItem;
  readonly plugin: FilterDefinition | undefined;
}

class ChainChecker {
  readonly #chain: readonly KnownItem[];
  readonly #issues: ConfigIssue[] = [];

  constructor(chain: readonly ChainItem[], catalog: PluginCatalog) {
    this.#chain = chain.map((item) => {
      const plugin = catalog.get('filter', item.type);
      return { item, plugin: plugin?.kind === 'filter' ? plugin : undefined };
    });
  }

  check(root: MapNode): ConfigIssue[] {
    this.#chain.forEach(({ item, plugin }, index) => {
      if (plugin === undefined) return;
      this.#checkPlace(item, plugin, index);
      if (item.match !== undefined) this.#checkMatch(item, item.match, plugin, index);
    });
    const finder = this.#chain.findLastIndex(({ plugin }) => gives(plugin, ROUTE));
    for (const route of itemsOf(childOf(root, 'routes'))) {
      if (finder >= 0) this.#checkConditions(childOf(route, 'match'), finder);
      this.#checkChanges(route, finder);
    }
    return this.#issues;
  }

  #checkPlace(item: ChainItem, plugin: FilterDefinition, index: number): void {
    for (const need of plugin.requires ?? []) {
      if (this.#isGivenAbove(index, need)) continue;
      const giver = this.#giverOf(need);
      const hint = giver === undefined ? 'no filter of the chain gives it' : `"${giver}" gives it, but stands below`;
      this.#report(item, item.path, `"${item.name}" needs ${need}: ${hint}`);
    }
    if (plugin.appliesTo === 'every_request' && this.#isGivenAbove(index, 'inference_request')) {
      const message = `"${item.name}" is for every request: it must stand above the one that reads the body`;
      this.#report(item, item.path, message);
    }
    const last = index === this.#chain.length - 1;
    if (plugin.terminal === true && !last) {
      this.#report(item, item.path, `"${item.name}" ends the chain: it must stand last`);
    }
    if (plugin.terminal !== true && last) {
      const message = `the last filter must be one that ends the chain (upstream), not "${item.name}"`;
      this.#report(item, item.path, message);
    }
  }

  #checkMatch(item: ChainItem, match: ConfigNode, plugin: FilterDefinition, index: number): void {
    if (plugin.terminal === true || plugin.nesting === true || this.#leftWithout(index).length > 0) {
      this.#report(match, match.path, `the filters below "${item.name}" depend on it: it takes no match`);
    }
    this.#checkConditions(match, index);
  }

  /** Keys of a match, alternatives included, that are not known yet where the filter `index` stands. */
  #checkConditions(match: ConfigNode | undefined, index: number): void {
    const { name } = (this.#chain[index] as KnownItem).item;
    for (const condition of [match, ...itemsOf(childOf(match, 'any'))]) {
      for (const [key, need] of Object.entries(MATCH_NEEDS)) {
        const node = childOf(condition, key);
        if (node === undefined || this.#isGivenAbove(index, need)) continue;
        const giver = this.#giverOf(need);
        const message =
          giver === undefined
            ? `is not known: no filter of the chain gives ${need}`
            : `is known only below the filter "${giver}": move "${name}" with after: ${giver}`;
        this.#report(node, node.path, message);
      }
    }
  }

  #checkChanges(route: ConfigNode, finder: number): void {
    const changes = childOf(route, 'filters');
    for (const [name, { keyOrigin, value }] of changes?.kind === 'map' ? changes.entries : []) {
      const index = this.#chain.findIndex(({ item }) => item.name === name);
      if (index < 0) continue;
      const problem = this.#problemOfChange(index, finder, isDisabled(value));
      if (problem !== undefined) this.#report({ origin: keyOrigin }, value.path, problem);
    }
  }

  #problemOfChange(index: number, finder: number, disabled: boolean): string | undefined {
    const { item, plugin } = this.#chain[index] as KnownItem;
    const finderName = this.#chain[finder]?.item.name;
    if (finderName === undefined) return 'has no effect: no filter of the chain finds routes';
    if (index === finder) return `"${item.name}" finds the route: no route can change it`;
    if (index < finder) {
      return (
        `"${item.name}" stands above "${finderName}", which finds the route: no route can change it; ` +
        `give it a match, or move it with after: ${finderName}`
      );
    }
    if (!disabled) return undefined;
    if (plugin?.terminal === true) return `"${item.name}" ends the chain: it cannot be left out`;
    const [without] = this.#leftWithout(index);
    return without === undefined ? undefined : `"${without}" below depends on "${item.name}": it cannot be left out`;
  }

  /** Names of the filters that need something that nobody but the filter `index` gives them. */
  #leftWithout(index: number): string[] {
    const { plugin } = this.#chain[index] as KnownItem;
    return this.#chain.slice(index + 1).flatMap((other, offset) => {
      const needs = (other.plugin?.requires ?? []).filter((need) => gives(plugin, need));
      const at = index + 1 + offset;
      return needs.some((need) => !this.#isGivenAbove(at, need, index)) ? [other.item.name] : [];
    });
  }

  /** Whether a filter above the one at `index`, other than `except`, gives it. */
  #isGivenAbove(index: number, need: string, except = -1): boolean {
    return this.#chain.some(({ plugin }, at) => at < index && at !== except && gives(plugin, need));
  }

  #giverOf(need: string): string | undefined {
    return this.#chain.find(({ plugin }) => gives(plugin, need))?.item.name;
  }

  #report(at: { readonly origin: ConfigNode['origin'] }, path: ConfigPath, message: string): void {
    this.#issues.push({ origin: at.origin, path: formatPath(path), message });
  }
}

function gives(plugin: FilterDefinition | undefined, need: string): boolean {
  return plugin?.provides?.includes(need) === true;
}

/** Whether a change of a route leaves the filter out. */
export function isDisabled(change: ConfigNode): boolean {
  const disabled = childOf(change, 'disabled');
  return disabled?.kind === 'scalar' && (disabled.value === true || disabled.value === 'true');
}
