import type * as z from 'zod';
import type { AnyPlugin, PluginKind, RequestMatch } from '../core/api/index.js';
import type { PluginCatalog } from './catalog.js';
import { checkChain, isDisabled } from './chain-checks.js';
import type { ConfigIssue } from './config-errors.js';
import {
  type ConfigNode,
  type ConfigPath,
  childOf,
  formatPath,
  itemsOf,
  type MapNode,
  mapNode,
  textOf,
  toPlain,
  withoutEntry,
} from './config-node.js';
import { didYouMean } from './did-you-mean.js';
import type { ChainItem } from './filter-chain.js';
import { PLANNED_FILTERS } from './filters.js';
import { deepFreeze } from './freeze.js';
import type {
  ClusterConfig,
  DiscoveryConfig,
  EngineConfig,
  FilterConfig,
  GatewayConfig,
  gatewaySchema,
  PolicyConfig,
  ProviderConfig,
  RouteConfig,
  RouteFilterConfig,
} from './gateway.js';
import { mergeNodes } from './node-merge.js';
import { PLANNED_DISCOVERIES, PLANNED_POLICIES } from './not-built.js';
import { COMPATIBLE_BACKEND, PROVIDER_KEYS } from './provider.js';
import { checkNode, hideSecrets } from './schema-check.js';
import { isSecretKey, Secret } from './secret.js';

/** Policy of clusters that name none. */
export const DEFAULT_POLICY = 'power_of_two';

export interface ResolvedPlugins {
  readonly issues: readonly ConfigIssue[];
  /** Complete and frozen; undefined when `parsed` was, or when there are issues. */
  readonly config: GatewayConfig | undefined;
}

/** Finds the plugin behind every `type`, checks its settings, and puts the final object together. */
export function resolvePlugins(
  tree: MapNode,
  chain: readonly ChainItem[],
  catalog: PluginCatalog,
  parsed: z.output<typeof gatewaySchema> | undefined,
): ResolvedPlugins {
  const resolver = new PluginResolver(tree, chain, catalog);
  const filters = resolver.filters();
  const overrides = resolver.routeFilters();
  const policies = resolver.clusterPolicies();
  const engines = resolver.engines();
  const discoveries = resolver.discoveries();
  const backends = resolver.providers();
  resolver.issues.push(...checkChain(tree, chain, catalog));
  resolver.checkBackends();
  if (parsed === undefined || resolver.issues.length > 0) return { issues: resolver.issues, config: undefined };
  const {
    include: _include,
    policies: _policies,
    auth: _auth,
    cors: _cors,
    cost: _cost,
    resilience: _resilience,
    providers: blocks,
    ...others
  } = parsed;
  const { limits: _limits, tenants: _tenants, ...rest } = others;
  const { request_id: _requestId, ...telemetry } = parsed.telemetry;
  const providers = Object.entries(blocks).map(([name, { key, list_key, byok, url }]): ProviderConfig => {
    const settings = backends.get(name) as BackendSettings;
    return withParsed({ name, key, list_key, byok, url, ...settings }, settings.parsed);
  });
  const clusters = parsed.clusters.map((cluster, index): ClusterConfig => {
    const policy = policies[index] as PolicyConfig;
    const [engine, discovery] = [engines[index], discoveries[index]];
    return { ...cluster, workers: inheritWorkerFacts(cluster), policy, engine, discovery, providers };
  });
  const routes = parsed.routes.map(({ retry: _retry, fallback: _fallback, ...route }, index): RouteConfig => {
    return { ...route, filters: overrides[index] ?? [] };
  });
  return { issues: [], config: deepFreeze({ ...rest, telemetry, filters, clusters, routes, providers }) };
}

function inheritWorkerFacts(cluster: z.output<typeof gatewaySchema>['clusters'][number]): ClusterConfig['workers'] {
  return cluster.workers.map((worker) => ({
    ...worker,
    models: worker.models.length > 0 ? worker.models : cluster.models,
    api_key: worker.api_key ?? cluster.api_key,
  }));
}

const PLANNED: Partial<Record<PluginKind, readonly string[]>> = {
  filter: PLANNED_FILTERS,
  policy: PLANNED_POLICIES,
  discovery: PLANNED_DISCOVERIES,
};

interface BackendSettings {
  readonly backend: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly parsed: unknown;
}

class PluginResolver {
  readonly issues: ConfigIssue[] = [];
  readonly #tree: MapNode;
  readonly #chain: readonly ChainItem[];
  readonly #catalog: PluginCatalog;

  constructor(tree: MapNode, chain: readonly ChainItem[], catalog: PluginCatalog) {
    this.#tree = tree;
    this.#chain = chain;
    this.#catalog = catalog;
  }

  filters(): FilterConfig[] {
    return this.#chain.map((item) => {
      const plugin = this.#find('filter', item.type, item, [...item.path, 'type']);
      const parsed = this.#check(plugin, item.config);
      const match = item.match === undefined ? undefined : (toPlain(item.match) as RequestMatch);
      const config = guardedMap(item.config);
      return withParsed({ name: item.name, type: item.type, config, match, origin: item.origin }, parsed);
    });
  }

  /** Per route, the filters that it changes. */
  routeFilters(): RouteFilterConfig[][] {
    return itemsOf(childOf(this.#tree, 'routes')).map((route) => {
      const overrides = childOf(route, 'filters');
      const entries = overrides?.kind === 'map' ? [...overrides.entries] : [];
      return entries.flatMap(([name, { value }]) => {
        const item = this.#chain.find((each) => each.name === name);
        const plugin = item === undefined ? undefined : this.#catalog.get('filter', item.type);
        // Unknown names and types are reported elsewhere.
        if (item === undefined || plugin === undefined) return [];
        const own = childOf(value, 'config');
        const isMap = own?.kind === 'map';
        const parsed = isMap ? this.#check(plugin, mergeNodes(item.config, own) as MapNode) : undefined;
        return [withParsed({ name, disabled: isDisabled(value), config: isMap ? guardedMap(own) : undefined }, parsed)];
      });
    });
  }

  /** Policy of each cluster; entries of `policies:` that nobody uses are checked as well. */
  clusterPolicies(): (PolicyConfig | undefined)[] {
    const named = new Map<string, PolicyConfig | undefined>();
    const map = childOf(this.#tree, 'policies');
    for (const [name, { value }] of map?.kind === 'map' ? map.entries : []) named.set(name, this.#policy(name, value));
    return itemsOf(childOf(this.#tree, 'clusters')).map((cluster) => {
      const node = childOf(cluster, 'policy');
      if (node?.kind === 'map') return this.#policy(textOf(node, 'type') ?? '', node);
      const name = textOf(cluster, 'policy') ?? DEFAULT_POLICY;
      if (named.has(name)) return named.get(name);
      const at = node ?? cluster;
      const empty = mapNode([], at.path, at.origin);
      const plugin = this.#find('policy', name, at, at.path, [...named.keys()]);
      return withParsed({ name, type: name, config: {} }, this.#check(plugin, empty));
    });
  }

  #policy(name: string, node: ConfigNode): PolicyConfig | undefined {
    const type = textOf(node, 'type');
    if (node.kind !== 'map' || type === undefined) return undefined;
    const at = childOf(node, 'type') as ConfigNode;
    const plugin = this.#find('policy', type, at, at.path);
    const config = withoutEntry(node, 'type');
    return withParsed({ name, type, config: guardedMap(config) }, this.#check(plugin, config));
  }

  engines(): (EngineConfig | undefined)[] {
    return itemsOf(childOf(this.#tree, 'clusters')).map((cluster) => {
      const node = childOf(cluster, 'engine');
      const type = textOf(node, 'type');
      if (node?.kind !== 'map' || type === undefined) return undefined;
      const at = childOf(node, 'type') as ConfigNode;
      const plugin = this.#find('engine', type, at, at.path);
      const own = childOf(node, 'config');
      const config = own?.kind === 'map' ? own : mapNode([], [...node.path, 'config'], node.origin);
      const count = childOf(node, 'count');
      const number = count?.kind === 'scalar' ? Number(count.value) : 1;
      return withParsed({ type, count: number, config: guardedMap(config) }, this.#check(plugin, config));
    });
  }

  discoveries(): (DiscoveryConfig | undefined)[] {
    return itemsOf(childOf(this.#tree, 'clusters')).map((cluster) => {
      const node = childOf(cluster, 'discovery');
      const [entry] = node?.kind === 'map' ? node.entries : [];
      if (entry === undefined) return undefined;
      const [type, { value, keyOrigin }] = entry;
      const plugin = this.#find('discovery', type, { origin: keyOrigin }, value.path);
      if (value.kind !== 'map') return undefined;
      return withParsed({ type, config: guardedMap(value) }, this.#check(plugin, value));
    });
  }

  /** Settings of the backend of each provider: that of its name, else the one for services that speak OpenAI's API. */
  providers(): Map<string, BackendSettings> {
    const blocks = childOf(this.#tree, 'providers');
    const settings = new Map<string, BackendSettings>();
    for (const [name, { value }] of blocks?.kind === 'map' ? blocks.entries : []) {
      const backend = this.#catalog.get('backend', name) === undefined ? COMPATIBLE_BACKEND : name;
      const plugin = this.#find('backend', backend, value, value.path);
      if (value.kind !== 'map') continue;
      const own = PROVIDER_KEYS.reduce(withoutEntry, value);
      settings.set(name, withParsed({ backend, config: guardedMap(own) }, this.#check(plugin, own)));
    }
    return settings;
  }

  checkBackends(): void {
    for (const cluster of itemsOf(childOf(this.#tree, 'clusters'))) {
      for (const worker of itemsOf(childOf(cluster, 'workers'))) {
        const node = childOf(worker, 'backend');
        const type = textOf(worker, 'backend');
        if (node !== undefined && type !== undefined) this.#find('backend', type, node, node.path);
      }
    }
  }

  #find(
    kind: PluginKind,
    type: string,
    at: { readonly origin: ConfigNode['origin'] },
    path: ConfigPath,
    alsoKnown: readonly string[] = [],
  ): AnyPlugin | undefined {
    const plugin = this.#catalog.get(kind, type);
    if (plugin !== undefined) return plugin;
    const words = kind === 'policy' ? 'policy' : kind;
    const message = PLANNED[kind]?.includes(type)
      ? `the ${words} "${type}" is not built yet; there are ${this.#catalog.types(kind).join(', ') || 'none'}`
      : `no ${words} "${type}"${didYouMean(type, [...alsoKnown, ...this.#catalog.types(kind)])}`;
    this.#report(at, path, message);
    return undefined;
  }

  #check(plugin: AnyPlugin | undefined, node: MapNode): unknown {
    if (plugin === undefined) return undefined;
    hideSecrets(plugin.configSchema, node);
    const result = checkNode<unknown>(plugin.configSchema, node);
    if (result.ok) return result.value;
    this.issues.push(...result.issues);
    return undefined;
  }

  #report(at: { readonly origin: ConfigNode['origin'] }, path: ConfigPath, message: string): void {
    this.issues.push({ origin: at.origin, path: formatPath(path), message });
  }
}

/** Plain settings with secrets wrapped: safe to print, to log and to compare. */
function guardedMap(node: ConfigNode): Readonly<Record<string, unknown>> {
  return guarded(node, '') as Record<string, unknown>;
}

function guarded(node: ConfigNode, key: string): unknown {
  if (node.kind === 'list') return node.items.map((item) => guarded(item, key));
  if (node.kind === 'map') {
    return Object.fromEntries([...node.entries].map(([name, entry]) => [name, guarded(entry.value, name)]));
  }
  const hidden = node.hidden || (isSecretKey(key) && typeof node.value === 'string');
  return hidden ? new Secret(String(node.value)) : node.value;
}

/** Adds what the plugin's schema made of the settings, hidden from JSON and logs: it may hold secrets as plain text. */
function withParsed<T extends object>(fields: T, parsed: unknown): T & { readonly parsed: unknown } {
  return Object.defineProperty(fields, 'parsed', { value: parsed, enumerable: false }) as T & {
    readonly parsed: unknown;
  };
}
