import type { AttemptOutcome, EngineLoad, WorkerHealth } from '../api/worker.js';
import type { ManagedWorker } from './worker.js';

/**
 * What changed about a worker. `settings`: fields of its spec, models not among them. `selection`: whether, or with which
 * share, it may be chosen, for another reason than its health. `reason`: why it is not healthy.
 */
export type WorkerChange = 'added' | 'health' | 'models' | 'settings' | 'selection' | 'reason' | 'removed';

/** What keeps requests from a worker that fails; told of everything that speaks for or against it. */
export interface RequestGuard {
  /** A request goes to the worker; the result is for `onDone`. */
  onDispatch(): number;
  onDone(ticket: number): void;
  onAnswering(startedMs: number): void;
  onOutcome(outcome: AttemptOutcome, startedMs: number): void;
  onContact(): void;
  /** A piece of an answer has come while that was awaited. */
  onProgress(): void;
  /** Its engine has reported its load. */
  onReport(load: EngineLoad): void;
  /** It used to report its load and has fallen silent. */
  onStale(): void;
  /** Result of a health probe. */
  onProbe(ok: boolean): void;
  /** Health checks have found the worker well again. */
  onPromoted(): void;
  /** The worker's spec has changed. */
  configure(): void;
}

/** Told by a worker what happens to it; one per worker, its registry. */
export interface WorkerObserver {
  onWorkerOutcome(worker: ManagedWorker, ok: boolean): void;
  /** The last hold was released. */
  onWorkerIdle(worker: ManagedWorker): void;
  onWorkerChange(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void;
}
