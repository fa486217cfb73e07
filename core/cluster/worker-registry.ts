import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../api/clock.js';
import { BugError, ConfigError } from '../api/errors.js';
import type { WorkerHealth } from '../api/worker.js';
import type { ClusterMembers } from './cluster.js';
import type { ClusterStats } from './cluster-stats.js';
import type { HealthChecker } from './health-checker.js';
import { type OriginPools, PoolUsers } from './pool-users.js';
import { ManagedWorker, type WorkerChange, type WorkerObserver, workerKey } from './worker.js';
import type { DrainSettings, WorkerIdentity, WorkerSource, WorkerSpec } from './worker-spec.js';

export type { OriginPools } from './pool-users.js';

/** One change of one worker. */
export interface WorkerEvent {
  readonly worker: ManagedWorker;
  readonly change: WorkerChange;
  /** Equal to the present one unless `change` is `health`. */
  readonly previousHealth: WorkerHealth;
}

/** What the registry works with. */
export interface WorkerRegistryDependencies {
  readonly checker: HealthChecker;
  readonly pools: OriginPools;
  readonly clock: Clock;
  readonly stats: ClusterStats | undefined;
}

/** One worker and who wants it. */
interface Entry {
  readonly worker: ManagedWorker;
  /** In the order in which they began to want it. */
  readonly specs: Map<WorkerSource, WorkerSpec>;
  /** Runs while the worker drains. */
  drainTimer: Timer | undefined;
  /** Health before it began to drain, so that one that comes back need not prove itself again. */
  healthBefore: WorkerHealth;
  /** It has drained for as long as it must be seen to. */
  settled: boolean;
}

/** What one source wants, by worker key, in its order. */
interface SourceState {
  /** As the source said it. */
  readonly specs: Map<string, WorkerSpec>;
  /** Those of them that the amender has left. */
  readonly entries: Map<string, Entry>;
  /** False for a config generation: its specs come into force with `activate`. */
  readonly live: boolean;
}

/** Changes what a source says of a worker; undefined takes it out. */
export type SpecAmender = (spec: WorkerSpec, source: WorkerSource) => WorkerSpec | undefined;

/**
 * Every worker of the process, by cluster, role and URL. A worker lives for as long as some source names it, so that a
 * reload, or a record that is found again, leaves its sockets, health and load alone.
 *
 * A config generation goes through `reconcile` (its new workers are probed at once, nothing else changes), `activate` (its
 * settings come into force) and `release`; one that is given up before its turn is just released. Other sources call
 * `update` with all that they want now, or `put` and `drop` for one worker; in force at once. Where the active generation
 * and another source want the same worker, the generation's settings are in force. A worker that nobody names any more
 * drains: no new requests, gone with its last one, or cut at its deadline.
 */
export class WorkerRegistry implements WorkerObserver, ClusterMembers {
  membersVersion = 0;
  selectionVersion = 0;
  readonly #checker: HealthChecker;
  readonly #pools: PoolUsers;
  readonly #clock: Clock;
  readonly #stats: ClusterStats | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #byId = new Map<string, Entry>();
  readonly #sources = new Map<WorkerSource, SourceState>();
  readonly #listeners = new Set<(event: WorkerEvent) => void>();
  #active: WorkerSource | undefined = undefined;
  #amend: SpecAmender = (spec) => spec;

  constructor(dependencies: WorkerRegistryDependencies) {
    this.#checker = dependencies.checker;
    this.#pools = new PoolUsers(dependencies.pools);
    this.#clock = dependencies.clock;
    this.#stats = dependencies.stats;
  }

  /**
   * Makes sure that the workers of a generation exist, in the order of `specs`. Throws ConfigError, with nothing
   * changed, when one is named twice in a cluster.
   */
  reconcile(generation: WorkerSource, specs: readonly WorkerSpec[]): readonly ManagedWorker[] {
    const { entries } = this.#setSource(generation, specs, false);
    return Array.from(entries.values(), (entry) => entry.worker);
  }

  /** Brings the settings of a reconciled generation into force; call it when requests begin to use it. */
  activate(generation: WorkerSource): void {
    this.#active = generation;
    for (const entry of this.#entries.values()) this.#applyEffectiveSpec(entry);
  }

  /**
   * Everything that a discovery or the admin API wants now, in its order; in force at once. What it no longer wants
   * drains. Throws ConfigError, with nothing changed, when one is named twice in a cluster.
   */
  update(source: WorkerSource, specs: readonly WorkerSpec[]): readonly ManagedWorker[] {
    const before = this.#sources.get(source);
    const { entries } = this.#setSource(source, specs, true);
    for (const entry of entries.values()) this.#applyEffectiveSpec(entry);
    for (const [key, entry] of before?.entries ?? []) if (!entries.has(key)) this.#forgo(entry, source);
    return Array.from(entries.values(), (entry) => entry.worker);
  }

  /** Adds one worker to those of a live source, or changes it. */
  put(source: WorkerSource, spec: WorkerSpec): void {
    let state = this.#sources.get(source);
    if (state === undefined) {
      state = { specs: new Map(), entries: new Map(), live: true };
      this.#sources.set(source, state);
    }
    state.specs.set(workerKey(spec), spec);
    this.#applyAmended(source, state, spec);
  }

  /** Takes one worker from those of a live source; it drains unless another one names it. */
  drop(source: WorkerSource, identity: WorkerIdentity): void {
    const key = workerKey(identity);
    const state = this.#sources.get(source);
    if (state?.specs.delete(key) !== true) return;
    const entry = state.entries.get(key);
    state.entries.delete(key);
    this.membersVersion += 1;
    if (entry !== undefined) this.#forgo(entry, source);
  }

  /** What changes the specs of all sources from now on; there is one. */
  setAmender(amend: SpecAmender): void {
    this.#amend = amend;
  }

  /** The amender thinks differently of one worker. */
  amend(identity: WorkerIdentity): void {
    const key = workerKey(identity);
    for (const [source, state] of this.#sources) {
      const spec = state.specs.get(key);
      if (spec !== undefined) this.#applyAmended(source, state, spec);
    }
  }

  /** What another source than this one says of a worker, not amended; the active generation is asked first. */
  specBeside(source: WorkerSource, identity: WorkerIdentity): WorkerSpec | undefined {
    const key = workerKey(identity);
    if (this.#active !== undefined && this.#active !== source) {
      const spec = this.#sources.get(this.#active)?.specs.get(key);
      if (spec !== undefined) return spec;
    }
    for (const [other, state] of this.#sources) {
      const spec = other !== source && state.live ? state.specs.get(key) : undefined;
      if (spec !== undefined) return spec;
    }
    return undefined;
  }

  /** The source has ended, or was given up. Its workers that no other one names drain. */
  release(source: WorkerSource): void {
    const state = this.#sources.get(source);
    if (state === undefined) return;
    this.#sources.delete(source);
    this.membersVersion += 1;
    for (const entry of state.entries.values()) this.#forgo(entry, source);
  }

  /** Members of a cluster that these sources name, each once, in the order of the sources. */
  members(cluster: string, sources: readonly WorkerSource[]): readonly ManagedWorker[] {
    const members = new Set<ManagedWorker>();
    for (const source of sources) {
      for (const { worker } of this.#sources.get(source)?.entries.values() ?? []) {
        if (worker.cluster === cluster) members.add(worker);
      }
    }
    return [...members];
  }

  /** Resolves once no worker of the source is pending, or after `limitMs`. Workers that stay down do not reject. */
  settled(source: WorkerSource, limitMs: number): Promise<void> {
    const pending = new Set<ManagedWorker>();
    for (const { worker } of this.#sources.get(source)?.entries.values() ?? []) {
      if (worker.health === 'pending') pending.add(worker);
    }
    if (pending.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel();
        unsubscribe();
        resolve();
      };
      const timer = this.#clock.setTimer(limitMs, finish);
      const unsubscribe = this.onChange(({ worker }) => {
        if (worker.health !== 'pending' && pending.delete(worker) && pending.size === 0) finish();
      });
    });
  }

  /** Workers that exist, the draining ones included, oldest first. */
  list(): ManagedWorker[] {
    return Array.from(this.#entries.values(), (entry) => entry.worker);
  }

  /** By public id; undefined when there is none. */
  get(id: string): ManagedWorker | undefined {
    return this.#byId.get(id)?.worker;
  }

  /** Calls `listener` synchronously after every change; it must not throw. Returns the way to stop that. */
  onChange(listener: (event: WorkerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Other limits for a worker that drains, or is about to. */
  setDrain(worker: ManagedWorker, settings: DrainSettings): void {
    const entry = this.#entries.get(workerKey(worker.spec()));
    if (entry === undefined) return;
    worker.drain = settings;
    if (worker.health === 'draining') this.#startDrainTimer(entry);
  }

  /** Stops all checks and forgets all workers: the end of the process. */
  close(): void {
    for (const { worker, drainTimer } of this.#entries.values()) {
      drainTimer?.cancel();
      this.#checker.stop(worker);
      this.#stats?.forget(worker.id);
    }
    this.#pools.leaveAll();
    this.#entries.clear();
    this.#byId.clear();
    this.#sources.clear();
  }

  /** From a worker. */
  onWorkerOutcome(worker: ManagedWorker, ok: boolean): void {
    this.#checker.onOutcome(worker, ok);
  }

  /** From a worker. */
  onWorkerIdle(worker: ManagedWorker): void {
    if (worker.health !== 'draining') return;
    const entry = this.#entries.get(workerKey(worker.spec()));
    // A request may have taken it just after it had gone, and another be registered in its place.
    if (entry?.worker === worker && entry.settled) this.#remove(entry);
  }

  /** From a worker. */
  onWorkerChange(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void {
    this.#emit(worker, change, previousHealth);
  }

  /** Makes or revives the workers of a source. */
  #setSource(source: WorkerSource, specs: readonly WorkerSpec[], live: boolean): SourceState {
    const state: SourceState = { specs: new Map(), entries: new Map(), live };
    for (const spec of specs) {
      const key = workerKey(spec);
      if (state.specs.has(key)) {
        throw new ConfigError(`cluster "${spec.cluster}" has two ${spec.workerType} workers with the same URL`);
      }
      state.specs.set(key, spec);
    }
    for (const [key, spec] of state.specs) {
      const amended = this.#amend(spec, source);
      if (amended === undefined) continue;
      const entry = this.#acquire(key, amended);
      entry.specs.set(source, amended);
      state.entries.set(key, entry);
    }
    this.#sources.set(source, state);
    this.membersVersion += 1;
    return state;
  }

  /** One worker of a source after what it says, or the amender, has changed. */
  #applyAmended(source: WorkerSource, state: SourceState, spec: WorkerSpec): void {
    const key = workerKey(spec);
    const amended = this.#amend(spec, source);
    const known = state.entries.get(key);
    if (amended !== undefined) {
      const entry = this.#acquire(key, amended);
      entry.specs.set(source, amended);
      if (known !== entry) {
        state.entries.set(key, entry);
        this.membersVersion += 1;
      }
      this.#applyEffectiveSpec(entry);
    } else if (known !== undefined) {
      state.entries.delete(key);
      this.membersVersion += 1;
      this.#forgo(known, source);
    }
  }

  #acquire(key: string, spec: WorkerSpec): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (known.specs.size === 0) this.#revive(known, spec);
      return known;
    }
    const worker = new ManagedWorker(spec, this, this.#stats?.loadGauge(spec));
    this.#pools.use(worker.id, spec);
    const entry: Entry = {
      worker,
      specs: new Map(),
      drainTimer: undefined,
      healthBefore: 'pending',
      settled: false,
    };
    this.#entries.set(key, entry);
    this.#byId.set(worker.id, entry);
    this.#emit(worker, 'added', worker.health);
    this.#checker.start(worker);
    return entry;
  }

  /** A draining worker was named again before it had gone: it is what it was. */
  #revive(entry: Entry, spec: WorkerSpec): void {
    const { worker } = entry;
    entry.drainTimer?.cancel();
    entry.drainTimer = undefined;
    worker.setHealth(entry.healthBefore);
    worker.applySpec(spec);
    this.#pools.use(worker.id, spec);
    this.#checker.start(worker);
  }

  /** The settings that are in force: the active generation's, else the newest of a live source. */
  #applyEffectiveSpec(entry: Entry): void {
    const { worker } = entry;
    let spec = this.#active === undefined ? undefined : entry.specs.get(this.#active);
    if (spec === undefined) {
      for (const [source, candidate] of entry.specs) if (this.#sources.get(source)?.live === true) spec = candidate;
    }
    if (spec === undefined || isDeepStrictEqual(spec, worker.spec())) return;
    worker.applySpec(spec);
    this.#pools.use(worker.id, spec);
    this.#checker.update(worker);
  }

  /** One source no longer wants it. */
  #forgo(entry: Entry, source: WorkerSource): void {
    if (!entry.specs.delete(source)) return;
    if (entry.specs.size === 0) this.#drain(entry);
    else this.#applyEffectiveSpec(entry);
  }

  #drain(entry: Entry): void {
    const { worker } = entry;
    if (worker.health === 'draining') return;
    this.#checker.stop(worker);
    entry.healthBefore = worker.health;
    worker.setHealth('draining');
    this.#startDrainTimer(entry);
  }

  #startDrainTimer(entry: Entry): void {
    const { settleMs, timeoutMs } = entry.worker.drain;
    entry.drainTimer?.cancel();
    entry.settled = false;
    if (settleMs === 0) this.#awaitLast(entry, timeoutMs);
    else entry.drainTimer = this.#clock.setTimer(settleMs, () => this.#awaitLast(entry, timeoutMs - settleMs));
  }

  /** It has been seen to drain; `restMs` until its last requests are cut, where they are. */
  #awaitLast(entry: Entry, restMs: number): void {
    const { worker } = entry;
    entry.settled = true;
    entry.drainTimer = undefined;
    if (worker.inFlight === 0) this.#remove(entry);
    else if (worker.drain.timeoutMs > 0) {
      entry.drainTimer = this.#clock.setTimer(Math.max(restMs, 0), () => this.#cut(entry));
    }
  }

  /** Its time is over: what still runs on it is given up, and with the last hold it is gone. */
  #cut(entry: Entry): void {
    entry.drainTimer = undefined;
    entry.worker.cut();
  }

  #remove(entry: Entry): void {
    const { worker } = entry;
    if (!this.#entries.delete(workerKey(worker.spec()))) throw new BugError('A worker was removed twice');
    entry.drainTimer?.cancel();
    this.#byId.delete(worker.id);
    this.#pools.leave(worker.id);
    this.#stats?.forget(worker.id);
    this.#emit(worker, 'removed', worker.health);
  }

  #emit(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void {
    if (change === 'models') this.membersVersion += 1;
    if (change !== 'reason') this.selectionVersion += 1;
    if (change !== 'removed') this.#stats?.setHealth(worker.id, worker.available);
    const event: WorkerEvent = { worker, change, previousHealth };
    for (const listener of this.#listeners) listener(event);
  }
}
