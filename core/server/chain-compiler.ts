import type { PluginCatalog } from '../../config/catalog.js';
import type { FilterConfig, GatewayConfig } from '../../config/gateway.js';
import type { FilterDefinition } from '../api/define.js';
import { ConfigError } from '../api/errors.js';
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

/**
 * Checks what only the order of the chain can get wrong: what a filter requires must be provided above it, one terminal
 * filter ends the chain, filters for every request stand above the one that reads the body. All problems at once.
 */
export function checkChainOrder(filters: readonly Omit<BuiltFilter, 'factory'>[]): ConfigError[] {
  const errors: ConfigError[] = [];
  const provided = new Set<string>();
  filters.forEach(({ config, definition }, index) => {
    const at = ['filters', index] as const;
    for (const need of definition.requires ?? []) {
      if (provided.has(need)) continue;
      const provider = filters.find((other) => other.definition.provides?.includes(need));
      const hint = provider === undefined ? 'no filter provides it' : `"${provider.config.name}" provides it below`;
      errors.push(new ConfigError(`the filter "${config.name}" needs ${need} from a filter above it, but ${hint}`, at));
    }
    if (definition.appliesTo === 'every_request' && provided.has('inference_request')) {
      errors.push(new ConfigError(`the filter "${config.name}" must stand above the one that reads the body`, at));
    }
    const last = index === filters.length - 1;
    if (definition.terminal === true && !last) {
      errors.push(new ConfigError(`the filter "${config.name}" ends the chain and must be the last one`, at));
    }
    if (definition.terminal !== true && last) {
      errors.push(new ConfigError(`the chain must end with a terminal filter such as upstream`, at));
    }
    for (const gift of definition.provides ?? []) provided.add(gift);
  });
  return errors;
}

/** The same for a loaded configuration, before anything is built. */
export function checkConfiguredChain(config: GatewayConfig, catalog: PluginCatalog): ConfigError[] {
  const filters = config.filters.map((filter) => ({
    config: filter,
    // The loader has refused filters that do not exist.
    definition: catalog.get('filter', filter.type) as FilterDefinition,
  }));
  return checkChainOrder(filters);
}

/** Compiles the chains of checked and created filters. */
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
