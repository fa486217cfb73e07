import type { FilterConfig } from '../../config/gateway.js';
import type { FilterDefinition } from '../api/define.js';
import type { FilterFactoryCb } from '../api/filter.js';
import { type LateTest, RequestTest } from '../api/request-match.js';
import { type ChainEntry, type ChainFork, type ChainSegment, compileChain } from '../http/filter-chain.js';
import { LOCAL_TERMINAL } from '../http/local-endpoint.js';

/** What a filter provides that finds the route of a request: chains part below it. */
const ROUTE = 'route';

/** One filter of the config with its definition and, once created, its factory. */
export interface BuiltFilter {
  readonly config: FilterConfig;
  readonly definition: FilterDefinition;
  /** Undefined: it has nothing to do with this config and is left out. */
  readonly factory: FilterFactoryCb | undefined;
}

/** What a route changes in the chain. */
export interface BuiltRoute {
  readonly name: string;
  /** By name of the filter: what stands in its place; undefined: nothing does. */
  readonly changes: ReadonlyMap<string, BuiltFilter | undefined>;
}

/** The chains of one generation; the one of inference requests parts where routes differ. */
export interface CompiledChains {
  readonly chain: ChainSegment;
  readonly localChain: ChainSegment;
}

/** Compiles the chains of created filters, whose order the loader has checked: one for each route that changes something. */
export function compileChains(filters: readonly BuiltFilter[], routes: readonly BuiltRoute[]): CompiledChains {
  const common = new Map<BuiltFilter, ChainEntry>();
  for (const filter of filters) if (filter.factory !== undefined) common.set(filter, entryOf(filter, filter.factory));
  const everyRequest = [...common].flatMap(([{ definition }, entry]) =>
    definition.appliesTo === 'every_request' ? [entry] : [],
  );
  return {
    chain: compileChain([...common.values()], forkOf(filters, common, routes)),
    localChain: compileChain([...everyRequest, LOCAL_TERMINAL]),
  };
}

function forkOf(
  filters: readonly BuiltFilter[],
  common: ReadonlyMap<BuiltFilter, ChainEntry>,
  routes: readonly BuiltRoute[],
): ChainFork | undefined {
  const finder = [...common.keys()].findLastIndex(({ definition }) => definition.provides?.includes(ROUTE) === true);
  if (finder < 0) return undefined;
  const chainOf = ({ changes }: BuiltRoute): ChainEntry[] =>
    filters.flatMap((filter) => {
      const { name } = filter.config;
      if (!changes.has(name)) return common.get(filter) ?? [];
      const change = changes.get(name);
      return change?.factory === undefined ? [] : entryOf(change, change.factory);
    });
  return { shared: finder + 1, routes: new Map(routes.map((route) => [route.name, chainOf(route)])) };
}

function entryOf({ config: { name, match }, definition }: BuiltFilter, factory: FilterFactoryCb): ChainEntry {
  const nesting = definition.nesting === true;
  if (match === undefined) return { name, factory, nesting, admits: undefined };
  const test = new RequestTest(match);
  const { early, late } = test;
  if (late !== undefined) {
    const admits: LateTest = early === undefined ? late : (...facts) => test.takes(...facts);
    return { name, factory, nesting, admits };
  }
  if (early === undefined) return { name, factory, nesting, admits: undefined };
  const matching: FilterFactoryCb = (callbacks) => (early(callbacks.streamInfo) ? factory(callbacks) : undefined);
  return { name, factory: matching, nesting, admits: undefined };
}
