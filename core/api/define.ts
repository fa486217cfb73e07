import type { ZodType } from 'zod';
import type { Backend } from './backend.js';
import type { ClientApi } from './client-api.js';
import type { Discovery } from './discovery.js';
import type { Engine } from './engine.js';
import type { FilterFactoryCb } from './filter.js';
import type { InjectionToken, Services } from './injection.js';
import type { Policy } from './policy.js';

/** Version of the contracts in this folder. A plugin states the one it was built for; the major must match. */
export const API_VERSION = '1';

/** What a plugin instance acquires for as long as its generation lives. */
export interface Lifetime {
  /** Runs at disposal, in reverse order of registration; may await. */
  onDispose(dispose: () => void | Promise<void>): void;
}

/** What every plugin exports: plain data and one function. Importing it has no side effect. */
interface PluginDefinition<Config, Inject extends readonly InjectionToken<unknown>[], Product> {
  /** Name in YAML, snake_case, unique within its kind. */
  readonly type: string;
  readonly apiVersion: string;
  /** Strict object; every field described, with its unit. */
  readonly configSchema: ZodType<Config>;
  /** Services that `create` receives, in order. The plugin's whole view of the process. */
  readonly inject: Inject;
  /** Control plane: may await, may throw ConfigError; runs once per config generation and instance. */
  create(config: Config, lifetime: Lifetime, ...services: Services<Inject>): Product | Promise<Product>;
}

/** Facts that the compiler checks before traffic flows. */
export interface FilterTraits {
  /** Ends the chain. */
  readonly terminal?: boolean;
  /** Owns the filters below it as an inner chain. */
  readonly nesting?: boolean;
  /**
   * `every_request` (default: `inference`) also on administration and information endpoints and unknown paths.
   * Such a filter stands above the one that reads the body.
   */
  readonly appliesTo?: 'every_request' | 'inference';
  /** Names that a filter above must provide: `inference_request`, `cluster`, `worker`, `principal`, `route`. */
  readonly requires?: readonly string[];
  readonly provides?: readonly string[];
}

export interface FilterDefinition<
  Config = unknown,
  Inject extends readonly InjectionToken<unknown>[] = readonly InjectionToken<unknown>[],
> extends PluginDefinition<Config, Inject, FilterFactoryCb | undefined>,
    FilterTraits {
  readonly kind: 'filter';
}
export interface PolicyDefinition<
  Config = unknown,
  Inject extends readonly InjectionToken<unknown>[] = readonly InjectionToken<unknown>[],
> extends PluginDefinition<Config, Inject, Policy> {
  readonly kind: 'policy';
}
export interface ClientApiDefinition<
  Config = unknown,
  Inject extends readonly InjectionToken<unknown>[] = readonly InjectionToken<unknown>[],
> extends PluginDefinition<Config, Inject, ClientApi> {
  readonly kind: 'api';
}
export interface BackendDefinition<
  Config = unknown,
  Inject extends readonly InjectionToken<unknown>[] = readonly InjectionToken<unknown>[],
> extends PluginDefinition<Config, Inject, Backend> {
  readonly kind: 'backend';
}
export interface EngineDefinition<
  Config = unknown,
  Inject extends readonly InjectionToken<unknown>[] = readonly InjectionToken<unknown>[],
> extends PluginDefinition<Config, Inject, Engine> {
  readonly kind: 'engine';
}
export interface DiscoveryDefinition<
  Config = unknown,
  Inject extends readonly InjectionToken<unknown>[] = readonly InjectionToken<unknown>[],
> extends PluginDefinition<Config, Inject, Discovery> {
  readonly kind: 'discovery';
}

// biome-ignore lint/suspicious/noExplicitAny: existential type; the loader checks config and services by the plugin's own schema and tokens before it calls create
type Erased = any;

/** Any plugin, as the loader holds it once its types are erased. */
export type AnyPlugin =
  | FilterDefinition<Erased, Erased>
  | PolicyDefinition<Erased, Erased>
  | ClientApiDefinition<Erased, Erased>
  | BackendDefinition<Erased, Erased>
  | EngineDefinition<Erased, Erased>
  | DiscoveryDefinition<Erased, Erased>;
export type PluginKind = AnyPlugin['kind'];

type Tokens = readonly InjectionToken<unknown>[];

/** Declares a filter. `create` may return undefined: with this config it has nothing to do and is compiled out. */
export function defineFilter<Config, const Inject extends Tokens>(
  definition: Omit<FilterDefinition<Config, Inject>, 'kind'>,
): FilterDefinition<Config, Inject> {
  return { ...definition, kind: 'filter' };
}

export function definePolicy<Config, const Inject extends Tokens>(
  definition: Omit<PolicyDefinition<Config, Inject>, 'kind'>,
): PolicyDefinition<Config, Inject> {
  return { ...definition, kind: 'policy' };
}

export function defineClientApi<Config, const Inject extends Tokens>(
  definition: Omit<ClientApiDefinition<Config, Inject>, 'kind'>,
): ClientApiDefinition<Config, Inject> {
  return { ...definition, kind: 'api' };
}

export function defineBackend<Config, const Inject extends Tokens>(
  definition: Omit<BackendDefinition<Config, Inject>, 'kind'>,
): BackendDefinition<Config, Inject> {
  return { ...definition, kind: 'backend' };
}

export function defineEngine<Config, const Inject extends Tokens>(
  definition: Omit<EngineDefinition<Config, Inject>, 'kind'>,
): EngineDefinition<Config, Inject> {
  return { ...definition, kind: 'engine' };
}

export function defineDiscovery<Config, const Inject extends Tokens>(
  definition: Omit<DiscoveryDefinition<Config, Inject>, 'kind'>,
): DiscoveryDefinition<Config, Inject> {
  return { ...definition, kind: 'discovery' };
}
