import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../api/clock.js';
import { BugError, ConfigError } from '../api/errors.js';
import type { WorkerHealth } from '../api/worker.js';
import type { ModelsVersion } from './cluster.js';
import type { ClusterStats } from './cluster-stats.js';
import type { HealthChecker } from './health-checker.js';
import { ManagedWorker, type WorkerChange, type WorkerObserver } from './worker.js';
import type { PoolSettings, WorkerSpec } from './worker-spec.js';

/** Where the registry says which origins are in use. */
export interface OriginPools {
  /** `label` names the pool in metrics. Repeated calls change the settings. */
  configure(url: string, label: string, settings: PoolSettings): void;
  /** Closes what is unused now, and the rest as it becomes so. */
  close(url: string): void;
}

/** One change of one worker. */
export interface WorkerEvent {
  readonly worker: ManagedWorker;
  readonly change: WorkerChange;
  /** Equal to the present one unless `change` is `health`. */
  readonly previousHealth: WorkerHealth;
}

/** Identity of one config generation; compared with ===. */
export type GenerationKey = symbol | object | number | string;

/** What the registry works with. */
export interface WorkerRegistryDependencies {
  readonly checker: HealthChecker;
  readonly pools: OriginPools;
  readonly clock: Clock;
  readonly stats: ClusterStats | undefined;
}

/** One worker and the generations that use it. */
interface Entry {
  readonly worker: ManagedWorker;
  readonly specs: Map<GenerationKey, WorkerSpec>;
}

/**
 * Every worker of the process, by cluster, role and URL. A worker lives for as long as some config generation names it,
 * so a reload leaves the sockets, health and load of what did not change alone.
 *
 * A generation goes through `reconcile` (its new workers are probed at once, nothing else changes), `activate` (its
 * settings come into force) and `release`; a generation that is given up before its turn is just released. When the last
 * generation that names a worker is released, the worker drains: no new requests, gone with its last one.
 */
export class WorkerRegistry implements WorkerObserver, ModelsVersion {
  modelsVersion = 0;
  readonly #checker: HealthChecker;
  readonly #pools: OriginPools;
  readonly #clock: Clock;
  readonly #stats: ClusterStats | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: WorkerEvent) => void>();

  constructor(dependencies: WorkerRegistryDependencies) {
    this.#checker = dependencies.checker;
    this.#pools = dependencies.pools;
    this.#clock = dependencies.clock;
    this.#stats = dependencies.stats;
  }

  /**
   * Makes sure that the workers of a generation exist, in the order of `specs`. Throws ConfigError, with nothing
   * changed, when one is named twice in a cluster.
   */
  reconcile(generation: GenerationKey, specs: readonly WorkerSpec[]): readonly ManagedWorker[] {
    const keys = specs.map(keyOf);
    if (new Set(keys).size !== keys.length) {
      const twice = specs[keys.findIndex((key, index) => keys.indexOf(key) !== index)] as WorkerSpec;
      throw new ConfigError(`cluster "${twice.cluster}" has two ${twice.workerType} workers with the same URL`);
    }
    return specs.map((spec, index) => {
      const entry = this.#acquire(keys[index] as string, spec);
      entry.specs.set(generation, spec);
      return entry.worker;
    });
  }

  /** Brings the settings of a reconciled generation into force; call it when requests begin to use it. */
  activate(generation: GenerationKey): void {
    for (const entry of this.#entries.values()) {
      const spec = entry.specs.get(generation);
      if (spec === undefined || isDeepStrictEqual(spec, entry.worker.spec())) continue;
      entry.worker.applySpec(spec);
      this.#pools.configure(spec.url, entry.worker.id, spec.pool);
      this.#checker.update(entry.worker);
    }
  }

  /** The generation has ended, or was given up. Its workers that no other one names drain. */
  release(generation: GenerationKey): void {
    for (const entry of this.#entries.values()) {
      if (entry.specs.delete(generation) && entry.specs.size === 0) this.#drain(entry.worker);
    }
  }

  /** Resolves once no worker of the generation is pending, or after `limitMs`. Workers that stay down do not reject. */
  settled(generation: GenerationKey, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel();
        unsubscribe();
        resolve();
      };
      const timer = this.#clock.setTimer(limitMs, finish);
      const unsubscribe = this.onChange(() => {
        if (!this.#hasPending(generation)) finish();
      });
      if (!this.#hasPending(generation)) finish();
    });
  }

  /** Workers that exist, the draining ones included, oldest first. */
  list(): ManagedWorker[] {
    return [...this.#entries.values()].map((entry) => entry.worker);
  }

  /** Calls `listener` synchronously after every change; it must not throw. Returns the way to stop that. */
  onChange(listener: (event: WorkerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Stops all checks and forgets all workers: the end of the process. */
  close(): void {
    for (const { worker } of this.#entries.values()) {
      this.#checker.stop(worker);
      this.#pools.close(worker.url);
      this.#stats?.forget(worker.id);
    }
    this.#entries.clear();
  }

  /** From a worker. */
  onWorkerOutcome(worker: ManagedWorker, ok: boolean): void {
    this.#checker.onOutcome(worker, ok);
  }

  /** From a worker. */
  onWorkerIdle(worker: ManagedWorker): void {
    if (worker.health === 'draining') this.#remove(worker);
  }

  /** From a worker. */
  onWorkerChange(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void {
    this.#emit(worker, change, previousHealth);
  }

  #acquire(key: string, spec: WorkerSpec): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (known.specs.size === 0) this.#revive(known.worker, spec);
      return known;
    }
    const worker = new ManagedWorker(spec, this, this.#stats?.loadGauge(spec));
    this.#pools.configure(spec.url, worker.id, spec.pool);
    const entry: Entry = { worker, specs: new Map() };
    this.#entries.set(key, entry);
    this.#emit(worker, 'added', worker.health);
    this.#checker.start(worker);
    return entry;
  }

  /** A draining worker was named again before it had gone. */
  #revive(worker: ManagedWorker, spec: WorkerSpec): void {
    worker.setHealth('pending');
    worker.applySpec(spec);
    this.#pools.configure(spec.url, worker.id, spec.pool);
    this.#checker.start(worker);
  }

  #drain(worker: ManagedWorker): void {
    this.#checker.stop(worker);
    worker.setHealth('draining');
    if (worker.inFlight === 0) this.#remove(worker);
  }

  #remove(worker: ManagedWorker): void {
    if (!this.#entries.delete(keyOf(worker.spec()))) throw new BugError('A worker was removed twice');
    const others = this.list();
    const { origin } = new URL(worker.url);
    if (!others.some((other) => new URL(other.url).origin === origin)) this.#pools.close(worker.url);
    if (!others.some((other) => other.id === worker.id)) this.#stats?.forget(worker.id);
    this.#emit(worker, 'removed', worker.health);
  }

  /** The same URL in another cluster or role goes by the same id. */
  #updateHealthGauge(id: string): void {
    this.#stats?.setHealth(
      id,
      this.list().some((worker) => worker.id === id && worker.available),
    );
  }

  #hasPending(generation: GenerationKey): boolean {
    for (const { worker, specs } of this.#entries.values()) {
      if (specs.has(generation) && worker.health === 'pending') return true;
    }
    return false;
  }

  #emit(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void {
    if (change === 'models') this.modelsVersion += 1;
    if (change !== 'removed') this.#updateHealthGauge(worker.id);
    const event: WorkerEvent = { worker, change, previousHealth };
    for (const listener of this.#listeners) listener(event);
  }
}

function keyOf(spec: WorkerSpec): string {
  return `${spec.cluster}\n${spec.workerType}\n${spec.url}`;
}
