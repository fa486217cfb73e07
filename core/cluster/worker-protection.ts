import type { ManagedWorker } from './worker.js';
import { WorkerGuard, type WorkerGuardDependencies } from './worker-guard.js';
import type { WorkerRegistry } from './worker-registry.js';

/** Gives every worker its guard for as long as it exists. One instance per process. */
export class WorkerProtection {
  readonly #guards = new Map<ManagedWorker, WorkerGuard>();
  readonly #unsubscribe: () => void;

  constructor(registry: WorkerRegistry, dependencies: WorkerGuardDependencies) {
    this.#unsubscribe = registry.onChange(({ worker, change, previousHealth }) => {
      if (change === 'added') this.#add(worker, dependencies);
      else if (change === 'removed') this.#remove(worker);
      else if (change === 'settings') worker.guard?.configure();
      else if (change === 'health' && worker.health === 'healthy' && previousHealth !== 'draining') {
        worker.guard?.onPromoted();
      }
    });
  }

  /** Ends all timers: the end of the process. */
  close(): void {
    this.#unsubscribe();
    for (const worker of [...this.#guards.keys()]) this.#remove(worker);
  }

  #add(worker: ManagedWorker, dependencies: WorkerGuardDependencies): void {
    const guard = new WorkerGuard(worker, dependencies);
    worker.guard = guard;
    this.#guards.set(worker, guard);
  }

  #remove(worker: ManagedWorker): void {
    this.#guards.get(worker)?.close();
    this.#guards.delete(worker);
    worker.guard = undefined;
  }
}
