import type { FilterConfig } from '../../config/gateway.js';
import type { FilterDefinition } from '../api/define.js';
import type { FilterFactoryCb } from '../api/filter.js';
import { type ChainEntry, type ChainSegment, compileChain } from '../http/filter-chain.js';
import { LOCAL_TERMINAL } from '../http/local-endpoint.js';
import { compileMatch } from './filter-match.js';

/** One filter of the config with its definition and, once created, its factory. */
export interface BuiltFilter {
  readonly config: FilterConfig;
  readonly definition: FilterDefinition;
  /** Undefined: it has nothing to do with this config and is left out. */
  readonly factory: FilterFactoryCb | undefined;
}

/** The two chains of one generation. */
export interface CompiledChains {
  readonly chain: ChainSegment;
  readonly localChain: ChainSegment;
}

/** Compiles the chains of created filters, whose order the loader has checked. */
export function compileChains(filters: readonly BuiltFilter[]): CompiledChains {
  const entries: ChainEntry[] = [];
  const everyRequest: ChainEntry[] = [];
  for (const { config, definition, factory } of filters) {
    if (factory === undefined) continue;
    const entry: ChainEntry = {
      name: config.name,
      factory: config.match === undefined ? factory : compileMatch(config.name, config.match, factory),
      nesting: definition.nesting === true,
    };
    entries.push(entry);
    if (definition.appliesTo === 'every_request') everyRequest.push(entry);
  }
  return { chain: compileChain(entries), localChain: compileChain([...everyRequest, LOCAL_TERMINAL]) };
}
