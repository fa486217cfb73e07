import { ConfigError } from '../api/errors.js';
import type { ManagedWorker } from './worker.js';
import { workerKey } from './worker-identity.js';
import type { WorkerIdentity, WorkerSource, WorkerSpec } from './worker-spec.js';

/** One worker and who wants it. */
export interface WantedWorker {
  readonly worker: ManagedWorker;
  /** In the order in which they began to want it. */
  readonly specs: Map<WorkerSource, WorkerSpec>;
}

/** What one source wants, by worker key, in its order. */
export interface SourceState<Wanted extends WantedWorker> {
  /** As the source said it. */
  readonly specs: Map<string, WorkerSpec>;
  /** Those of them that are in force. */
  readonly entries: Map<string, Wanted>;
  /** False for a config generation: its specs come into force when it becomes the active one. */
  readonly live: boolean;
}

/** Who wants which workers, and whose settings count. Changes no worker: what follows is the registry's. */
export class WorkerSources<Wanted extends WantedWorker> {
  /** The config generation that requests begin on. */
  active: WorkerSource | undefined = undefined;
  readonly #states = new Map<WorkerSource, SourceState<Wanted>>();

  get(source: WorkerSource): SourceState<Wanted> | undefined {
    return this.#states.get(source);
  }

  /** Starts over with what a source says; none of it is in force yet. Throws ConfigError when it names a worker twice. */
  set(source: WorkerSource, specs: readonly WorkerSpec[], live: boolean): SourceState<Wanted> {
    const byKey = new Map<string, WorkerSpec>();
    for (const spec of specs) {
      const key = workerKey(spec);
      if (byKey.has(key)) {
        throw new ConfigError(`cluster "${spec.cluster}" has two ${spec.workerType} workers with the same URL`);
      }
      byKey.set(key, spec);
    }
    const state = { specs: byKey, entries: new Map<string, Wanted>(), live };
    this.#states.set(source, state);
    return state;
  }

  delete(source: WorkerSource): void {
    this.#states.delete(source);
  }

  clear(): void {
    this.#states.clear();
  }

  all(): IterableIterator<[WorkerSource, SourceState<Wanted>]> {
    return this.#states.entries();
  }

  /** Members of a cluster that these sources name, each once, in the order of the sources. */
  members(cluster: string, sources: readonly WorkerSource[]): readonly ManagedWorker[] {
    const members = new Set<ManagedWorker>();
    for (const source of sources) {
      for (const { worker } of this.#states.get(source)?.entries.values() ?? []) {
        if (worker.cluster === cluster) members.add(worker);
      }
    }
    return [...members];
  }

  /** What another source than this one says of a worker, not amended; the active generation is asked first. */
  specBeside(source: WorkerSource, identity: WorkerIdentity): WorkerSpec | undefined {
    const key = workerKey(identity);
    if (this.active !== undefined && this.active !== source) {
      const spec = this.#states.get(this.active)?.specs.get(key);
      if (spec !== undefined) return spec;
    }
    for (const [other, state] of this.#states) {
      const spec = other !== source && state.live ? state.specs.get(key) : undefined;
      if (spec !== undefined) return spec;
    }
    return undefined;
  }

  /** The settings that count: the active generation's, else the newest of a live source. */
  effectiveSpec({ specs }: WantedWorker): WorkerSpec | undefined {
    const own = this.active === undefined ? undefined : specs.get(this.active);
    if (own !== undefined) return own;
    let newest: WorkerSpec | undefined;
    for (const [source, spec] of specs) if (this.#states.get(source)?.live === true) newest = spec;
    return newest;
  }
}
