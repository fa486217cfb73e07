import type { PluginCatalog } from '../../config/catalog.js';
import type { ClusterConfig, FilterConfig, GatewayConfig } from '../../config/gateway.js';
import { type Backend, Backends } from '../api/backend.js';
import type { ClientApi } from '../api/client-api.js';
import { Clock } from '../api/clock.js';
import type { AnyPlugin, FilterDefinition, Lifetime, PluginKind } from '../api/define.js';
import type { Discovery } from '../api/discovery.js';
import type { Engine, RunningEngine } from '../api/engine.js';
import { BugError, ConfigError } from '../api/errors.js';
import type { FilterFactoryCb } from '../api/filter.js';
import { KeptState } from '../api/kept-state.js';
import { Logger } from '../api/log.js';
import { Policies, type Policy } from '../api/policy.js';
import { StatsScope } from '../api/stats.js';
import { type Cluster, Clusters } from '../api/worker.js';
import { WorkerCluster } from '../cluster/cluster.js';
import { ClusterSet } from '../cluster/clusters.js';
import type { WorkerRegistry } from '../cluster/worker-registry.js';
import type { WorkerSource, WorkerSpec } from '../cluster/worker-spec.js';
import type { ServiceContainer } from '../di/container.js';
import { EndpointTable } from '../http/endpoint-table.js';
import type { FilterManagerOptions } from '../http/filter-manager.js';
import type { LocalEndpoint } from '../http/local-endpoint.js';
import { type BuiltFilter, type BuiltRoute, compileChains } from './chain-compiler.js';
import { controlAccess } from './control-access.js';
import { Discoveries } from './discovery/discoveries.js';
import type { DiscoveryFeed } from './discovery/discovery-feed.js';
import { DiscoveryStats } from './discovery/discovery-stats.js';
import type { GenerationParts } from './generation.js';
import { GenerationLifetime } from './generation-lifetime.js';
import { KeptStates } from './kept-states.js';
import { UsagePool } from './usage-pool.js';
import { API_SOURCE } from './workers/worker-overlay.js';
import { clusterSpec, engineWorkerSpecs, workerSpecs } from './workers/worker-specs.js';

/** What generations are built from; lives as long as the process. */
export interface GenerationBuilderDependencies {
  /** Process services, bound. */
  readonly services: ServiceContainer;
  readonly registry: WorkerRegistry;
  /** Loads what sending to these workers needs, before the first request does. */
  prepareUpstream(urls: readonly string[]): Promise<void>;
  /** Endpoints that the gateway answers itself, for one generation. */
  localEndpoints(clusters: ClusterSet): readonly LocalEndpoint[];
  readonly managerOptions: FilterManagerOptions;
}

/** How long a new configuration waits for the first probe of new workers, ms, so that a swap costs no 503. */
const FIRST_PROBE_LIMIT_MS = 1_000;

/** An engine with what stops it. */
interface StartedEngine {
  readonly running: RunningEngine;
  readonly lifetime: GenerationLifetime;
}

/**
 * Builds the runtime graph of one config beside the running one: engines, workers, clusters, plugins, chains. Whatever
 * fails, what had been built is taken down again and nothing that serves has changed.
 */
export class GenerationBuilder {
  readonly #dependencies: GenerationBuilderDependencies;
  /** Engines outlive a reload that does not change them. */
  readonly #engines = new UsagePool<StartedEngine>();

  readonly #discoveries: Discoveries;
  readonly #kept = new KeptStates();

  constructor(dependencies: GenerationBuilderDependencies) {
    this.#dependencies = dependencies;
    const { services, registry, prepareUpstream } = dependencies;
    const [clock, logger, stats] = services.resolve([Clock, Logger, StatsScope] as const, 'the generation builder');
    const discoveryStats = new DiscoveryStats(stats);
    this.#discoveries = new Discoveries({ registry, clock, logger, stats: discoveryStats, prepareUpstream });
  }

  /** Rejects with a ConfigError, or with what a plugin threw. */
  async build(config: GatewayConfig, catalog: PluginCatalog): Promise<GenerationParts> {
    const lifetime = new GenerationLifetime();
    try {
      return await this.#build(config, catalog, lifetime);
    } catch (error) {
      await lifetime.dispose().catch((disposal: unknown) => {
        const [log] = this.#dependencies.services.resolve([Logger] as const, 'the generation builder');
        log.error({ err: disposal }, 'a rejected configuration could not be taken down cleanly');
      });
      throw error;
    }
  }

  async #build(config: GatewayConfig, catalog: PluginCatalog, lifetime: GenerationLifetime): Promise<GenerationParts> {
    const activations: (() => void)[] = [];
    const clusters = await this.#buildClusters(config, catalog, lifetime, activations);
    const services = this.#dependencies.services.createChild();
    services.bind(Clusters, clusters);
    services.bind(Backends, await this.#buildBackends(config, catalog, services, lifetime, activations));
    services.bind(Policies, await buildPolicies(config, clusters, catalog, services, lifetime));
    const apis: ClientApi[] = [];
    for (const type of catalog.types('api')) {
      apis.push(await create<ClientApi>(requirePlugin(catalog, 'api', type), undefined, services, lifetime));
    }
    const buildFilter = async (filter: FilterConfig, name: string, parsed: unknown): Promise<BuiltFilter> => {
      const definition = requirePlugin(catalog, 'filter', filter.type) as FilterDefinition;
      const plugin = services.createChild();
      plugin.bind(KeptState, this.#kept.forInstance(filter.type, name, lifetime, activations));
      const factory = await create<FilterFactoryCb | undefined>(definition, parsed, plugin, lifetime, name);
      return { config: filter, definition, factory };
    };
    const filters: BuiltFilter[] = [];
    for (const filter of config.filters) filters.push(await buildFilter(filter, filter.name, filter.parsed));
    const routes: BuiltRoute[] = [];
    for (const route of config.routes) {
      const changes = new Map<string, BuiltFilter | undefined>();
      for (const { name, disabled, config: settings, parsed } of route.filters) {
        const filter = config.filters.find((each) => each.name === name);
        if (disabled) changes.set(name, undefined);
        else if (filter !== undefined && settings !== undefined) {
          changes.set(name, await buildFilter(filter, `${name} of route ${route.name}`, parsed));
        }
      }
      if (changes.size > 0) routes.push({ name: route.name, changes });
    }
    return {
      config,
      ...compileChains(filters, routes),
      endpoints: new EndpointTable(apis, this.#dependencies.localEndpoints(clusters)),
      options: this.#dependencies.managerOptions,
      clusters,
      apis,
      controlAccess: controlAccess(config, filters),
      lifetime,
      activate: () => {
        this.#dependencies.registry.activate(lifetime);
        for (const activate of activations) activate();
      },
    };
  }

  /** One of each type with its defaults, and one for each provider that has settings. */
  async #buildBackends(
    config: GatewayConfig,
    catalog: PluginCatalog,
    services: ServiceContainer,
    lifetime: GenerationLifetime,
    activations: (() => void)[],
  ): Promise<Backends> {
    const build = async (type: string, name: string, parsed: unknown): Promise<Backend> => {
      const plugin = services.createChild();
      plugin.bind(KeptState, this.#kept.forInstance(`backend ${type}`, name, lifetime, activations));
      return await create<Backend>(requirePlugin(catalog, 'backend', type), parsed, plugin, lifetime, name);
    };
    const backends = new Map<string, Backend>();
    for (const type of catalog.types('backend')) backends.set(type, await build(type, type, undefined));
    const own = new Map<string, { readonly type: string; readonly backend: Backend }>();
    for (const { name, backend: type, parsed } of config.providers) {
      own.set(name, { type, backend: await build(type, `providers.${name}`, parsed) });
    }
    return {
      get(type, provider) {
        const configured = provider === undefined ? undefined : own.get(provider);
        return configured?.type === type ? configured.backend : backends.get(type);
      },
    };
  }

  async #buildClusters(
    config: GatewayConfig,
    catalog: PluginCatalog,
    lifetime: GenerationLifetime,
    activations: (() => void)[],
  ): Promise<ClusterSet> {
    const { registry } = this.#dependencies;
    const specs: WorkerSpec[][] = [];
    for (const cluster of config.clusters) {
      const urls = await this.#startEngines(cluster, catalog, lifetime);
      specs.push([...workerSpecs(cluster), ...engineWorkerSpecs(cluster, urls)]);
    }
    const all = specs.flat();
    await this.#dependencies.prepareUpstream(all.map((spec) => spec.url));
    lifetime.onDispose(() => registry.release(lifetime));
    registry.reconcile(lifetime, all);
    const sources = new Map<ClusterConfig, WorkerSource>();
    const feeds: DiscoveryFeed[] = [];
    for (const cluster of config.clusters) {
      const feed = await this.#startDiscovery(cluster, config, catalog, lifetime, activations);
      if (feed === undefined) continue;
      feeds.push(feed);
      sources.set(cluster, feed.source);
    }
    const limitMs = FIRST_PROBE_LIMIT_MS;
    await Promise.all([registry.settled(lifetime, limitMs), ...feeds.map((feed) => feed.ready(limitMs))]);
    const list = config.clusters.map((cluster) => {
      const found = sources.get(cluster);
      const all = [lifetime, ...(found === undefined ? [] : [found]), API_SOURCE];
      return new WorkerCluster(clusterSpec(cluster), registry, all);
    });
    return new ClusterSet(list);
  }

  async #startDiscovery(
    cluster: ClusterConfig,
    { defaults }: GatewayConfig,
    catalog: PluginCatalog,
    lifetime: GenerationLifetime,
    activations: (() => void)[],
  ): Promise<DiscoveryFeed | undefined> {
    const { discovery } = cluster;
    if (discovery === undefined) return undefined;
    const plugin = requirePlugin(catalog, 'discovery', discovery.type);
    const view = { config: cluster, strictTls: defaults === 'standard' };
    const owner = `cluster "${cluster.name}"`;
    const feed = await this.#discoveries.acquire(discovery, view, lifetime, (own) =>
      create<Discovery>(plugin, discovery.parsed, this.#dependencies.services, own, owner),
    );
    activations.push(() => feed.configure(view));
    return feed;
  }

  async #startEngines(cluster: ClusterConfig, catalog: PluginCatalog, lifetime: GenerationLifetime): Promise<string[]> {
    const engine = cluster.engine;
    if (engine === undefined) return [];
    const plugin = requirePlugin(catalog, 'engine', engine.type);
    const urls: string[] = [];
    for (let index = 0; index < engine.count; index++) {
      const key = JSON.stringify([cluster.name, engine.type, engine.config, index]);
      const started = await this.#engines.acquire(
        key,
        () => this.#startEngine(plugin, engine.parsed, `cluster "${cluster.name}"`),
        (value) => value.lifetime.dispose(),
      );
      lifetime.onDispose(() => this.#engines.release(key));
      urls.push(started.running.url);
    }
    return urls;
  }

  async #startEngine(plugin: AnyPlugin, parsed: unknown, owner: string): Promise<StartedEngine> {
    const lifetime = new GenerationLifetime();
    const engine = await create<Engine>(plugin, parsed, this.#dependencies.services, lifetime, owner);
    const running = await engine.start(lifetime);
    await running.ready;
    return { running, lifetime };
  }
}

function requirePlugin(catalog: PluginCatalog, kind: PluginKind, type: string): AnyPlugin {
  const plugin = catalog.get(kind, type);
  if (plugin === undefined) throw new ConfigError(`there is no ${kind} "${type}"`);
  return plugin;
}

/** Creates one plugin instance with exactly the services that it names. `parsed` undefined: its schema's defaults. */
async function create<Product>(
  plugin: AnyPlugin,
  parsed: unknown,
  services: ServiceContainer,
  lifetime: Lifetime,
  name: string = plugin.type,
): Promise<Product> {
  const consumer = `the ${plugin.kind} "${name}"`;
  const config: unknown = parsed ?? plugin.configSchema.parse({});
  const injected = services.resolve(plugin.inject as readonly symbol[], consumer);
  return (await plugin.create(config, lifetime, ...injected)) as Product;
}

async function buildPolicies(
  config: GatewayConfig,
  clusters: ClusterSet,
  catalog: PluginCatalog,
  services: ServiceContainer,
  lifetime: GenerationLifetime,
): Promise<Policies> {
  const policies = new Map<Cluster, Policy>();
  for (const cluster of config.clusters) {
    const plugin = requirePlugin(catalog, 'policy', cluster.policy.type);
    const owner = `${cluster.policy.name} of cluster "${cluster.name}"`;
    const policy = await create<Policy>(plugin, cluster.policy.parsed, services, lifetime, owner);
    policies.set(clusters.get(cluster.name) as Cluster, policy);
  }
  return {
    forCluster(cluster) {
      const policy = policies.get(cluster);
      if (policy === undefined) throw new BugError(`the cluster "${cluster.name}" has no policy in this generation`);
      return policy;
    },
  };
}
