import type { GatewayConfig } from '../../config/gateway.js';
import type { LoadedConfig } from '../../config/loader.js';
import { ConfigError } from '../api/errors.js';
import type { BoundServer } from '../api/http-server.js';
import { ShutdownSignal } from '../api/shutdown.js';
import type { Counter, Gauge } from '../api/stats.js';
import { createProcessServices, type ProcessServices } from '../di/composition-root.js';
import { ConnectionManager } from '../http/connection-manager.js';
import type { FilterManagerOptions } from '../http/filter-manager.js';
import { openListener } from '../listener/listener.js';
import type { LogLevel, LogOptions } from '../telemetry/log.js';
import { openMetricsEndpoint } from '../telemetry/metrics-endpoint.js';
import { adminEndpoints } from './admin-endpoints.js';
import { CallerModels } from './caller-models.js';
import { describeChanges } from './config-diff.js';
import { Generation, type GenerationParts } from './generation.js';
import { GenerationBuilder } from './generation-builder.js';
import { informationEndpoints } from './information-endpoints.js';
import { type ListenerAddress, ListenerSet, servedListeners } from './listener-set.js';
import { loadEndpoints } from './load-endpoints.js';
import { ProbeListeners } from './probe-listener.js';
import { Readiness } from './readiness.js';
import { drainServer } from './shutdown.js';
import { ProcessShutdownSignal } from './shutdown-signal.js';
import { TlsMetrics } from './tls-metrics.js';
import { refusalOf, refusedUrls } from './workers/allowed-workers.js';
import { FailedWorkerRemoval } from './workers/failed-worker-removal.js';
import { StateFile } from './workers/state-file.js';
import { workerEndpoints } from './workers/worker-endpoints.js';
import { WorkerJobs } from './workers/worker-jobs.js';
import { WorkerOverlay } from './workers/worker-overlay.js';

/** Bytes that one filter may hold per direction before it slows the source down. */
const FILTER_BUFFER_BYTES = 1024 * 1024;

/** What a server is started with. */
export interface ServerOptions {
  /** Reads and checks the configuration; called once at the start and for each reload. */
  readonly load: () => Promise<LoadedConfig>;
  /** Overrides of the log's output, for tests and embedding. */
  readonly log?: Pick<LogOptions, 'destination' | 'sink'> | undefined;
  /** Shown in metrics. Default `unknown`. */
  readonly version?: string;
}

/** Outcome of one reload. */
export type ReloadResult =
  | { readonly ok: true; readonly changes: readonly string[] }
  | { readonly ok: false; readonly error: unknown };

/**
 * One gateway in this process: starts from a configuration, replaces it as a whole on `reload`, drains and stops. A
 * failed start leaves nothing open; a failed reload leaves everything as it was.
 */
export class Server {
  readonly services: ProcessServices;
  readonly #shutdownSignal = new ProcessShutdownSignal();
  readonly #load: () => Promise<LoadedConfig>;
  readonly #builder: GenerationBuilder;
  readonly #listeners: ListenerSet;
  readonly #tlsMetrics: TlsMetrics;
  readonly #readiness: Readiness;
  readonly #callerModels: CallerModels;
  readonly #probes: ProbeListeners;
  readonly #reloadsRejected: Counter;
  readonly #lastReloadSuccessful: Gauge;
  readonly #generationGauge: Gauge;
  readonly #overlay: WorkerOverlay;
  readonly #stateFile: StateFile | undefined;
  #current: Generation | undefined = undefined;
  readonly #retired = new Set<Generation>();
  #metrics: BoundServer | undefined = undefined;
  #lastId = 0;
  #loaded: LoadedConfig;
  /** Reloads run one after another. */
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(options: ServerOptions, loaded: LoadedConfig) {
    const { logs } = loaded.config.telemetry;
    const logOptions: LogOptions = {
      level: levelOf(logs.level),
      format: logs.format === 'auto' ? undefined : logs.format,
      ...options.log,
    };
    const { version = 'unknown' } = options;
    this.services = createProcessServices(logOptions, version);
    this.#load = options.load;
    this.#loaded = loaded;
    const { state_dir: stateDir } = loaded.config.runtime;
    this.#stateFile = stateDir === undefined ? undefined : new StateFile(stateDir, this.services.log.logger);
    const { stats } = this.services;
    const exceptions = stats.counter({ name: 'smg_filter_exceptions_total', help: 'Callbacks of filters that threw' });
    const managerOptions: FilterManagerOptions = {
      bufferLimitBytes: FILTER_BUFFER_BYTES,
      onFilterException: (error, filterNames) => {
        exceptions.with().inc();
        this.services.log.logger.error({ err: error, filters: filterNames }, 'a filter threw');
      },
    };
    this.#reloadsRejected = stats
      .counter({ name: 'smg_config_rejected_total', help: 'Configurations that were not taken into use' })
      .with();
    this.#lastReloadSuccessful = stats
      .gauge({ name: 'smg_config_last_reload_successful', help: '1 when the last reload was taken into use' })
      .with();
    this.#generationGauge = stats.gauge({ name: 'smg_config_generation', help: 'Number of the current config' }).with();
    this.services.container.bind(ShutdownSignal, this.#shutdownSignal);
    this.#readiness = new Readiness(this.services.clock, () => this.#current);
    this.#callerModels = new CallerModels(this.services.client, this.services.clock);
    this.services.registry.onChange(() => this.#readiness.invalidate());
    this.#probes = new ProbeListeners(this.#readiness, this.services.log.logger);
    const { registry, client } = this.services;
    this.#overlay = new WorkerOverlay(registry);
    const jobs = new WorkerJobs(this.services.clock);
    registry.onChange((event) => jobs.onWorkerEvent(event));
    const removal = new FailedWorkerRemoval({
      registry,
      logger: this.services.log.logger,
      stats,
      remove: (worker) => {
        jobs.start('RemoveWorker', worker);
        if (this.#overlay.recordOf(worker) === undefined) registry.expel(worker);
        else this.#overlay.remove(worker);
      },
    });
    registry.onChange((event) => removal.onWorkerEvent(event));
    const endpoints = workerEndpoints({
      registry,
      overlay: this.#overlay,
      jobs,
      checkUrl: (url, cluster) => refusalOf(this.#loaded.config, url, cluster),
      prepare: (url) => client.prepare([url]),
    });
    this.#builder = new GenerationBuilder({
      services: this.services.container,
      registry: this.services.registry,
      prepareUpstream: (urls) => this.services.client.prepare(urls),
      localEndpoints: (clusters) => [
        ...informationEndpoints({
          clusters,
          client: this.services.client,
          readiness: this.#readiness,
          callerModels: this.#callerModels,
        }),
        ...endpoints,
        ...adminEndpoints({ client, workers: () => registry.list() }),
        ...loadEndpoints({ version, workers: () => registry.list(), nowMs: () => this.services.clock.nowMs() }),
      ],
      managerOptions,
    });
    this.#tlsMetrics = new TlsMetrics(stats);
    const { clock } = this.services;
    this.#listeners = new ListenerSet(
      ({ host, port }, service, accept) => openListener({ host, port, clock, ...service }, accept),
      ({ config, role }) => {
        const { name, limits } = config;
        const facts = { name, administrationOnly: role === 'administration', bodyLimitBytes: limits.body };
        return new ConnectionManager(facts, clock, () => this.#current as Generation).accept;
      },
      (name) => this.#tlsMetrics.failuresOf(name).inc(),
    );
  }

  /** Starts a gateway. Rejects with ConfigErrors, ConfigError, or the error of a socket. */
  static async start(options: ServerOptions): Promise<Server> {
    const loaded = await options.load();
    const server = new Server(options, loaded);
    try {
      await server.#restoreWorkers();
      const parts = await server.#builder.build(loaded.config, loaded.catalog);
      const listeners = await server.#prepareListeners(parts);
      server.#swap(parts, listeners);
      await server.#openMetrics(loaded.config);
      for (const warning of loaded.warnings) server.services.log.logger.warn({}, warning);
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** What clients can connect to. */
  get addresses(): readonly ListenerAddress[] {
    return this.#listeners.addresses;
  }

  /** Where probes are answered while the gateway is busy. */
  get probeAddresses(): readonly { readonly name: string; readonly host: string; readonly port: number }[] {
    return this.#probes.addresses;
  }

  /** Where Prometheus may ask; undefined when switched off. */
  get metricsAddress(): { readonly host: string; readonly port: number } | undefined {
    return this.#metrics === undefined ? undefined : { host: this.#metrics.host, port: this.#metrics.port };
  }

  /** The generation that new requests begin on. */
  get generation(): Generation {
    return this.#current as Generation;
  }

  /** Generations that still exist: the current one and those with open streams. */
  get generationCount(): number {
    return this.#retired.size + 1;
  }

  /** The configuration that is in use. */
  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  /** Reads the configuration again. Never rejects; reloads that come meanwhile wait their turn. */
  reload(reason: string): Promise<ReloadResult> {
    const result = this.#reloading.then(() => this.#reload(reason));
    this.#reloading = result;
    return result;
  }

  async #reload(reason: string): Promise<ReloadResult> {
    const { logger } = this.services.log;
    try {
      const loaded = await this.#load();
      const changes = describeChanges(this.#loaded.config, loaded.config);
      if (changes.length > 0) {
        const parts = await this.#builder.build(loaded.config, loaded.catalog);
        this.#swap(parts, await this.#prepareListeners(parts));
      } else {
        // A new generation names its workers anew; the old one has to be asked.
        this.services.registry.readmit();
      }
      this.#loaded = loaded;
      this.services.log.setLevel(levelOf(loaded.config.telemetry.logs.level));
      this.#lastReloadSuccessful.set(1);
      for (const warning of loaded.warnings) logger.warn({}, warning);
      logger.info({ reason, changes, generation: this.#lastId }, 'configuration reloaded');
      return { ok: true, changes };
    } catch (error) {
      this.#reloadsRejected.inc();
      this.#lastReloadSuccessful.set(0);
      const detail = error instanceof Error ? error.message : String(error);
      logger.error({ reason, detail }, 'configuration rejected; the old one stays in use');
      return { ok: false, error };
    }
  }

  /** Workers that the admin API added before the last restart. */
  async #restoreWorkers(): Promise<void> {
    const file = this.#stateFile;
    if (file === undefined) return;
    const kept = await file.read();
    const refused = await refusedUrls(kept, this.#loaded.config, this.services.log.logger);
    this.#overlay.restore(kept, refused, (state) => file.save(state));
    await this.services.client.prepare(this.#overlay.urls());
  }

  /** Returns what puts them into use. */
  async #prepareListeners(parts: GenerationParts): Promise<() => void> {
    try {
      const served = await this.#listeners.prepare(servedListeners(parts.config));
      try {
        const probes = await this.#probes.prepare(parts.config.listeners.filter(({ kind }) => kind === 'probe'));
        return () => {
          served.commit();
          probes.commit();
        };
      } catch (error) {
        await served.abandon();
        throw error;
      }
    } catch (error) {
      await parts.lifetime.dispose();
      throw error;
    }
  }

  /** The one moment in which the new configuration begins to serve. */
  #swap(parts: GenerationParts, commitListeners: () => void): void {
    const generation = new Generation(++this.#lastId, parts, (error) => {
      this.#retired.delete(generation);
      if (error !== undefined) this.services.log.logger.error({ err: error }, 'a configuration did not end cleanly');
    });
    const old = this.#current;
    parts.activate();
    this.#overlay.configure(parts.config.clusters);
    this.#current = generation;
    this.#generationGauge.set(generation.id);
    const { readiness_lag, liveness_lag } = parts.config.runtime.probes;
    this.#readiness.board.setLimits(readiness_lag, liveness_lag);
    this.#readiness.refresh();
    commitListeners();
    this.#tlsMetrics.update(parts.config);
    if (old === undefined) return;
    this.#retired.add(old);
    old.retire();
  }

  async #openMetrics(config: GatewayConfig): Promise<void> {
    const { prometheus } = config.telemetry.metrics;
    if (prometheus === 'off') return;
    this.#metrics = await openMetricsEndpoint(this.services.servers, prometheus, this.services.stats);
  }

  /**
   * The orderly end, by `runtime.shutdown`: not ready at once, still open for a while, then no new requests until the last
   * one has ended or the grace period is over. True when all of them finished; `stop` ends the rest.
   */
  drain(): Promise<boolean> {
    const settings = this.#loaded.config.runtime.shutdown;
    this.#readiness.board.drain();
    this.#shutdownSignal.begin(this.services.clock.monotonicMs() + settings.grace);
    return drainServer({
      settings,
      logger: this.services.log.logger,
      isWatched: () => this.#readiness.board.asked || this.#listeners.connections > 0,
      openRequests: () => [...this.#retired, this.generation].reduce((sum, { streams }) => sum + streams, 0),
      stopAccepting: () => this.#listeners.drain(),
    });
  }

  /** Ends everything at once and gives back all sockets, timers and engines. */
  async stop(): Promise<void> {
    this.#readiness.board.drain();
    await this.#listeners.close();
    await this.#metrics?.close();
    await this.#probes.close();
    this.#readiness.close();
    const generations = [...this.#retired];
    if (this.#current !== undefined) generations.push(this.#current);
    for (const generation of generations) await generation.dispose();
    await this.#stateFile?.flush();
    this.services.loadMonitor.close();
    this.services.protection.close();
    this.services.registry.close();
    this.services.client.closeAll();
    await this.services.log.close();
  }
}

function levelOf(level: string): LogLevel {
  if (['trace', 'debug', 'info', 'warn', 'error', 'silent'].includes(level)) return level as LogLevel;
  throw new ConfigError(`"${level}" is not a log level`);
}
