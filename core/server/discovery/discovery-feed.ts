import type { Clock } from '../../api/clock.js';
import type { DiscoveredWorker, Discovery, DiscoverySink } from '../../api/discovery.js';
import type { Logger } from '../../api/log.js';
import type { WorkerRegistry } from '../../cluster/worker-registry.js';
import type { WorkerSource, WorkerSpec } from '../../cluster/worker-spec.js';
import { RecordError } from '../workers/worker-record.js';
import { type DiscoveryCluster, discoveredSpec } from './discovered-spec.js';
import type { DiscoveryStats } from './discovery-stats.js';
import { GraceList } from './grace-list.js';

/** What feeds work with; lives as long as the process. */
export interface DiscoveryFeedDependencies {
  readonly registry: WorkerRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: DiscoveryStats;
  /** Loads what sending to these workers needs. */
  prepareUpstream(urls: readonly string[]): Promise<void>;
}

/** URLs that one log line names at most. */
const LOGGED_URLS = 20;

/**
 * One running discovery and what becomes of its list: blips are evened out, the cluster's settings fill in what it does
 * not say, and the result is what its source wants of the registry. It outlives the configuration that started it when the
 * next one has the same discovery.
 */
export class DiscoveryFeed implements DiscoverySink {
  /** Under which its workers are in the registry. */
  readonly source: WorkerSource;
  readonly #type: string;
  readonly #dependencies: DiscoveryFeedDependencies;
  readonly #log: Logger;
  readonly #list: GraceList;
  #cluster: DiscoveryCluster;
  #urls: ReadonlySet<string> = new Set();
  /** Why workers were left out, by URL: each is said once. */
  #refused: ReadonlyMap<string, string> = new Map();
  #lastError: string | undefined = undefined;
  #secureReady = false;
  #closed = false;
  #ready: Promise<void> | undefined = undefined;
  readonly #first: Promise<void>;
  #resolveFirst: () => void = () => undefined;

  constructor(type: string, cluster: DiscoveryCluster, graceMs: number, dependencies: DiscoveryFeedDependencies) {
    this.#type = type;
    this.#cluster = cluster;
    this.#dependencies = dependencies;
    this.source = Symbol(`${type} discovery of ${cluster.config.name}`);
    this.#log = dependencies.logger.child({ discovery: type, cluster: cluster.config.name });
    this.#list = new GraceList(dependencies.clock, graceMs, () => this.#publish());
    this.#first = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
  }

  /** Lets the discovery report here. */
  start(discovery: Discovery): void {
    discovery.start(this);
  }

  /** Resolves after its first report and the first probe of what it brought, each awaited for `limitMs` at most. */
  ready(limitMs: number): Promise<void> {
    this.#ready ??= this.#awaitFirst(limitMs);
    return this.#ready;
  }

  async #awaitFirst(limitMs: number): Promise<void> {
    const { clock, registry } = this.#dependencies;
    const timer = clock.setTimer(limitMs, () => this.#resolveFirst());
    await this.#first;
    timer.cancel();
    await registry.settled(this.source, limitMs);
  }

  /** A configuration comes into force in which the cluster may have other settings. */
  configure(cluster: DiscoveryCluster): void {
    this.#cluster = cluster;
    // Not before: a configuration that is rejected must not touch the series of the one in force.
    this.#dependencies.stats.own(this, this.#type, cluster.config.name);
    this.#publish();
  }

  /** From the discovery. */
  onWorkers(workers: readonly DiscoveredWorker[]): void {
    if (this.#closed) return;
    if (this.#lastError !== undefined) this.#log.info({}, 'the discovery works again');
    this.#lastError = undefined;
    if (this.#list.update(workers)) this.#publish();
    else this.#resolveFirst();
  }

  /** From the discovery. */
  onError(reason: string, message: string): void {
    if (this.#closed) return;
    this.#dependencies.stats.errors.with(this.#type, reason).inc();
    if (message !== this.#lastError) {
      const workers = this.#list.workers.length;
      this.#log.warn({ reason, detail: message, workers }, 'the discovery failed; its last list stays in force');
    }
    this.#lastError = message;
    this.#resolveFirst();
  }

  /** Its workers that nobody else names drain. */
  close(): void {
    this.#closed = true;
    this.#list.close();
    this.#resolveFirst();
    this.#dependencies.registry.release(this.source);
    this.#dependencies.stats.disown(this, this.#type, this.#cluster.config.name);
  }

  #publish(): void {
    if (this.#closed) return;
    const specs = this.#specs();
    if (!this.#secureReady && specs.some(({ url }) => url.startsWith('https:'))) {
      this.#prepare(specs.map(({ url }) => url));
      return;
    }
    this.#dependencies.registry.update(this.source, specs);
    this.#report(new Set(specs.map(({ url }) => url)));
    this.#resolveFirst();
  }

  #prepare(urls: readonly string[]): void {
    this.#dependencies.prepareUpstream(urls).then(
      () => {
        this.#secureReady = true;
        this.#publish();
      },
      (error: unknown) => this.#log.error({ err: error }, 'workers of a discovery cannot be used'),
    );
  }

  /** What can be used of the list, each URL once. */
  #specs(): WorkerSpec[] {
    const specs = new Map<string, WorkerSpec>();
    const refused = new Map<string, string>();
    for (const worker of this.#list.workers) {
      try {
        const spec = discoveredSpec(worker, this.#type, this.#cluster);
        if (!specs.has(spec.url)) specs.set(spec.url, spec);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        refused.set(worker.url, error.message);
      }
    }
    for (const [url, reason] of refused) {
      if (this.#refused.get(url) === reason) continue;
      this.#log.warn({ url: shown(url), reason }, 'a discovered worker is left out');
    }
    this.#refused = refused;
    return [...specs.values()];
  }

  #report(urls: ReadonlySet<string>): void {
    const { stats } = this.#dependencies;
    const found = [...urls].filter((url) => !this.#urls.has(url));
    const lost = [...this.#urls].filter((url) => !urls.has(url));
    this.#urls = urls;
    stats.setWorkers(this, this.#type, this.#cluster.config.name, urls.size);
    if (found.length + lost.length === 0) return;
    stats.found.with(this.#type, 'success').inc(found.length);
    stats.lost.with(this.#type, 'reconciled').inc(lost.length);
    const counts = { found: found.length, lost: lost.length, workers: urls.size };
    const names = { foundUrls: found.slice(0, LOGGED_URLS), lostUrls: lost.slice(0, LOGGED_URLS) };
    this.#log.info({ ...counts, ...names }, 'discovered workers changed');
  }
}

/** A URL that was refused may hold credentials. */
function shown(url: string): string {
  return url.slice(0, 200).replace(/\/\/[^/@]*@/, '//***@');
}
