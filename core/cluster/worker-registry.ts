import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../api/clock.js';
import { BugError } from '../api/errors.js';
import type { WorkerHealth } from '../api/worker.js';
import type { ClusterMembers } from './cluster.js';
import type { ClusterStats } from './cluster-stats.js';
import type { HealthChecker } from './health-checker.js';
import { type OriginPools, PoolUsers } from './pool-users.js';
import { ManagedWorker } from './worker.js';
import { WorkerDrain } from './worker-drain.js';
import { workerKey } from './worker-identity.js';
import type { WorkerChange, WorkerObserver } from './worker-observer.js';
import { type SourceState, type WantedWorker, WorkerSources } from './worker-sources.js';
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

interface Entry extends WantedWorker {
  /** While it drains. */
  drain: WorkerDrain | undefined;
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
  readonly #sources = new WorkerSources<Entry>();
  readonly #listeners = new Set<(event: WorkerEvent) => void>();
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
    this.#sources.active = generation;
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
    const state = this.#sources.get(source) ?? this.#sources.set(source, [], true);
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
    for (const [source, state] of this.#sources.all()) {
      const spec = state.specs.get(key);
      if (spec !== undefined) this.#applyAmended(source, state, spec);
    }
  }

  /** What another source than this one says of a worker, not amended; the active generation is asked first. */
  specBeside(source: WorkerSource, identity: WorkerIdentity): WorkerSpec | undefined {
    return this.#sources.specBeside(source, identity);
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
    return this.#sources.members(cluster, sources);
  }

  /**
   * Resolves once no worker of the source is pending, but for those that are not looked at sooner, or after `limitMs`. Workers
   * that stay down do not reject.
   */
  settled(source: WorkerSource, limitMs: number): Promise<void> {
    const pending = new Set<ManagedWorker>();
    for (const { worker } of this.#sources.get(source)?.entries.values() ?? []) {
      if (worker.health === 'pending' && worker.spec().startup.delayMs < limitMs) pending.add(worker);
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

  /**
   * Takes a worker out, whoever names it; it drains. Whoever named it brings it back by saying anew what it wants: a config
   * generation by the next one, or by `readmit`, others by `update` or `put`.
   */
  expel(worker: ManagedWorker): void {
    const key = workerKey(worker.spec());
    const entry = this.#entries.get(key);
    if (entry?.worker !== worker) return;
    for (const [source, state] of this.#sources.all()) {
      if (!state.entries.delete(key)) continue;
      this.membersVersion += 1;
      this.#forgo(entry, source);
    }
  }

  /** Brings back what was expelled of the workers of the active generation. */
  readmit(): void {
    const { active } = this.#sources;
    const state = active === undefined ? undefined : this.#sources.get(active);
    if (active === undefined || state === undefined) return;
    for (const [key, spec] of state.specs) if (!state.entries.has(key)) this.#applyAmended(active, state, spec);
  }

  /** Its checks begin anew, as if it had just been added. */
  recheck(worker: ManagedWorker): void {
    if (this.get(worker.id) === worker && worker.health !== 'draining') this.#checker.start(worker);
  }

  /** Other limits for a worker that drains, or is about to. */
  setDrain(worker: ManagedWorker, settings: DrainSettings): void {
    const entry = this.#entries.get(workerKey(worker.spec()));
    if (entry?.worker !== worker) return;
    worker.drain = settings;
    entry.drain?.start();
  }

  /** Stops all checks and forgets all workers: the end of the process. */
  close(): void {
    for (const { worker, drain } of this.#entries.values()) {
      drain?.cancel();
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
    if (entry?.worker === worker) entry.drain?.onIdle();
  }

  /** From a worker. */
  onWorkerChange(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void {
    this.#emit(worker, change, previousHealth);
  }

  /** Makes or revives the workers of a source. */
  #setSource(source: WorkerSource, specs: readonly WorkerSpec[], live: boolean): SourceState<Entry> {
    const state = this.#sources.set(source, specs, live);
    for (const [key, spec] of state.specs) {
      const amended = this.#amend(spec, source);
      if (amended === undefined) continue;
      const entry = this.#acquire(key, amended);
      entry.specs.set(source, amended);
      state.entries.set(key, entry);
    }
    this.membersVersion += 1;
    return state;
  }

  /** One worker of a source after what it says, or the amender, has changed. */
  #applyAmended(source: WorkerSource, state: SourceState<Entry>, spec: WorkerSpec): void {
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
    const entry: Entry = { worker, specs: new Map(), drain: undefined };
    this.#entries.set(key, entry);
    this.#byId.set(worker.id, entry);
    this.#emit(worker, 'added', worker.health);
    this.#checker.start(worker, spec.startup.delayMs);
    return entry;
  }

  /** A draining worker was named again before it had gone: it is what it was. */
  #revive(entry: Entry, spec: WorkerSpec): void {
    const { worker, drain } = entry;
    drain?.cancel();
    entry.drain = undefined;
    worker.setHealth(drain?.healthBefore ?? 'pending');
    worker.applySpec(spec);
    this.#pools.use(worker.id, spec);
    this.#checker.start(worker);
  }

  #applyEffectiveSpec(entry: Entry): void {
    const { worker } = entry;
    const spec = this.#sources.effectiveSpec(entry);
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
    if (entry.drain !== undefined) return;
    this.#checker.stop(worker);
    const drain = new WorkerDrain(worker, this.#clock, () => this.#remove(entry));
    entry.drain = drain;
    worker.setHealth('draining');
    drain.start();
  }

  #remove(entry: Entry): void {
    const { worker } = entry;
    if (!this.#entries.delete(workerKey(worker.spec()))) throw new BugError('A worker was removed twice');
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
