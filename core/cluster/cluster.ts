import type { Cluster, UpstreamTimeouts, Worker } from '../api/worker.js';
import type { ClusterSpec } from './worker-spec.js';

/** Grows whenever the models of any worker change; tells clusters that what they derived is stale. */
export interface ModelsVersion {
  readonly modelsVersion: number;
}

const NO_WORKERS: readonly Worker[] = [];

/**
 * The workers of one cluster in one config generation. Which worker serves which model is worked out once per change,
 * so that a request costs one map lookup and clients cannot grow the map.
 */
export class WorkerCluster implements Cluster {
  readonly name: string;
  readonly workers: readonly Worker[];
  readonly policy: string;
  readonly timeouts: UpstreamTimeouts;
  readonly #version: ModelsVersion;
  #seenVersion = -1;
  /** Members per model that some member names, in file order. */
  #byModel: ReadonlyMap<string, readonly Worker[]> = new Map();
  /** Members that take any model. */
  #wildcards: readonly Worker[] = NO_WORKERS;

  constructor(spec: ClusterSpec, workers: readonly Worker[], version: ModelsVersion) {
    this.name = spec.name;
    this.workers = workers;
    this.policy = spec.policy;
    this.timeouts = spec.timeouts;
    this.#version = version;
  }

  serves(model: string | undefined): boolean {
    return this.candidates(model).length > 0;
  }

  candidates(model: string | undefined): readonly Worker[] {
    if (model === undefined) return this.workers;
    this.#refresh();
    return this.#byModel.get(model) ?? this.#wildcards;
  }

  /** Whether a member names this model, rather than taking any. */
  names(model: string): boolean {
    this.#refresh();
    return this.#byModel.has(model);
  }

  /** Every model that a member names, in file order, each once. */
  models(): Iterable<string> {
    this.#refresh();
    return this.#byModel.keys();
  }

  #refresh(): void {
    if (this.#seenVersion === this.#version.modelsVersion) return;
    this.#seenVersion = this.#version.modelsVersion;
    this.#wildcards = this.workers.filter((worker) => worker.models.length === 0);
    const byModel = new Map<string, readonly Worker[]>();
    for (const model of this.workers.flatMap((worker) => worker.models)) {
      if (byModel.has(model)) continue;
      const serving = this.workers.filter((worker) => worker.models.length === 0 || worker.models.includes(model));
      byModel.set(model, serving);
    }
    this.#byModel = byModel;
  }
}
