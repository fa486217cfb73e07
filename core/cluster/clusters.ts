import type { Clusters } from '../api/worker.js';
import type { WorkerCluster } from './cluster.js';

/**
 * The clusters of one config generation. A cluster with a member that names the model goes before one whose members
 * take any: a worker that has not told its models yet, or a catch-all provider, is the last resort; among those goes the
 * provider that is named before a slash (`anthropic/claude-x`), or whose models have such names.
 */
export class ClusterSet implements Clusters {
  readonly #list: readonly WorkerCluster[];
  readonly #byName: ReadonlyMap<string, WorkerCluster>;

  constructor(list: readonly WorkerCluster[]) {
    this.#list = list;
    this.#byName = new Map(list.map((cluster) => [cluster.name, cluster]));
  }

  get(name: string): WorkerCluster | undefined {
    return this.#byName.get(name);
  }

  list(): readonly WorkerCluster[] {
    return this.#list;
  }

  hasModel(model: string): boolean {
    return this.#list.some((cluster) => cluster.hasModel(model));
  }

  forModel(model: string | undefined): WorkerCluster | undefined {
    const list = this.#list;
    if (model !== undefined) {
      for (let i = 0; i < list.length; i += 1) if (list[i]?.hasModel(model)) return list[i];
      for (let i = 0; i < list.length; i += 1) if (list[i]?.hasAlias(model)) return list[i];
      for (let i = 0; i < list.length; i += 1) if (list[i]?.suits(model)) return list[i];
    }
    for (let i = 0; i < list.length; i += 1) if (list[i]?.serves(model)) return list[i];
    return undefined;
  }
}
