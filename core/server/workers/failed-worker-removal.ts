import type { Logger } from '../../api/log.js';
import type { Counter, Family, StatsScope } from '../../api/stats.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import type { WorkerEvent, WorkerRegistry } from '../../cluster/worker-registry.js';

/** What the removal works with. */
export interface FailedWorkerRemovalDependencies {
  readonly registry: Pick<WorkerRegistry, 'list'>;
  readonly logger: Logger;
  readonly stats: StatsScope;
  /** Takes it out of the registry, whoever named it. */
  remove(worker: ManagedWorker): void;
}

/** What the healthy workers of one cluster serve. */
interface Capacity {
  readonly models: Set<string>;
  /** One of them takes any model. */
  any: boolean;
}

/**
 * Removes workers that have failed, where their cluster wants that (`health.remove_failed`). Only while healthy workers of
 * the same cluster serve every model of theirs: when all have failed it may be the gateway that is cut off, and an empty
 * cluster helps nobody.
 */
export class FailedWorkerRemoval {
  readonly #dependencies: FailedWorkerRemovalDependencies;
  readonly #removed: Family<Counter>;
  /** Failed, and to be removed. True once it was said that it is kept. */
  readonly #candidates = new Map<ManagedWorker, boolean>();
  #asked = false;

  constructor(dependencies: FailedWorkerRemovalDependencies) {
    this.#dependencies = dependencies;
    this.#removed = dependencies.stats.counter({
      name: 'smg_failed_workers_removed_total',
      help: 'Workers that were removed because they had failed',
      labels: ['cluster'],
    });
  }

  /** From the registry. Many events in one turn of the event loop cost one look. */
  onWorkerEvent({ worker, change }: WorkerEvent): void {
    const wanted = change !== 'removed' && worker.health === 'failed' && worker.spec().removeFailed === true;
    if (!wanted) this.#candidates.delete(worker);
    else if (!this.#candidates.has(worker)) this.#candidates.set(worker, false);
    if (change === 'reason' || this.#candidates.size === 0 || this.#asked) return;
    this.#asked = true;
    setImmediate(() => {
      this.#asked = false;
      this.#look();
    });
  }

  #look(): void {
    const workers = this.#dependencies.registry.list();
    const present = new Set(workers);
    const capacities = capacityByCluster(workers);
    for (const [worker, said] of this.#candidates) {
      // The process may have ended, or an earlier removal in this loop have changed it.
      if (!present.has(worker) || worker.health !== 'failed') this.#candidates.delete(worker);
      else if (isReplaced(worker, capacities.get(worker.cluster))) this.#remove(worker);
      else if (!said) this.#keep(worker);
    }
  }

  #remove(worker: ManagedWorker): void {
    this.#candidates.delete(worker);
    this.#dependencies.logger.warn(fieldsOf(worker), 'a failed worker is removed');
    this.#removed.with(worker.cluster).inc();
    this.#dependencies.remove(worker);
  }

  #keep(worker: ManagedWorker): void {
    this.#candidates.set(worker, true);
    this.#dependencies.logger.warn(
      fieldsOf(worker),
      'a failed worker is kept: no healthy worker of its cluster serves what it does',
    );
  }
}

function capacityByCluster(workers: readonly ManagedWorker[]): ReadonlyMap<string, Capacity> {
  const capacities = new Map<string, Capacity>();
  for (const worker of workers) {
    if (worker.health !== 'healthy') continue;
    let capacity = capacities.get(worker.cluster);
    if (capacity === undefined) {
      capacity = { models: new Set(), any: false };
      capacities.set(worker.cluster, capacity);
    }
    if (worker.models.length === 0) capacity.any = true;
    for (const model of worker.models) capacity.models.add(model);
  }
  return capacities;
}

/** Of one that was never made out nothing is known to be lost. */
function isReplaced(worker: ManagedWorker, capacity: Capacity | undefined): boolean {
  if (capacity === undefined) return false;
  if (capacity.any) return true;
  return worker.models.length === 0 ? !worker.known : worker.models.every((model) => capacity.models.has(model));
}

function fieldsOf(worker: ManagedWorker): object {
  return { worker: worker.id, url: worker.url, cluster: worker.cluster, reason: worker.healthReason || undefined };
}
