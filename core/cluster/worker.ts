import { createHash } from 'node:crypto';
import type { Gauge } from '../api/stats.js';
import type { LoadHold, Worker, WorkerHealth, WorkerRuntime, WorkerType } from '../api/worker.js';
import type { WorkerSpec } from './worker-spec.js';

/** What changed about a worker. `settings`: fields of its spec, models not among them. */
export type WorkerChange = 'added' | 'health' | 'models' | 'settings' | 'removed';

/** Told by a worker what happens to it; one per worker, its registry. */
export interface WorkerObserver {
  onWorkerOutcome(worker: ManagedWorker, ok: boolean): void;
  /** The last hold was released. */
  onWorkerIdle(worker: ManagedWorker): void;
  onWorkerChange(worker: ManagedWorker, change: WorkerChange, previousHealth: WorkerHealth): void;
}

/** What was learnt by asking the worker. */
export interface WorkerFacts {
  /** Undefined: it does not tell. */
  readonly models: readonly string[] | undefined;
  readonly runtime: WorkerRuntime | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Public id of the worker at a URL: 16 hex digits, equal on every gateway. */
export function workerId(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16);
}

/**
 * The process-wide record of one worker. Only its registry and health checker change it; the data plane sees it as
 * {@link Worker}. Secrets are kept where neither `JSON.stringify` nor `util.inspect` finds them.
 */
export class ManagedWorker implements Worker {
  readonly id: string;
  readonly url: string;
  readonly cluster: string;
  readonly workerType: WorkerType;
  runtime: WorkerRuntime;
  backend: string;
  models: readonly string[];
  priority: number;
  cost: number;
  /** Share relative to its neighbours, > 0. Default 1. */
  weight: number;
  labels: Readonly<Record<string, string>>;
  health: WorkerHealth = 'pending';
  /** Why the last probe failed: `status_503`, `connect_refused`; empty while probes succeed or none ran. No URL in it. */
  healthReason = '';
  available = false;
  inFlight = 0;
  readonly #observer: WorkerObserver;
  readonly #loadGauge: Gauge | undefined;
  #spec: WorkerSpec;
  #facts: WorkerFacts = { models: undefined, runtime: undefined, labels: {} };

  /** `loadGauge` follows `inFlight`. */
  constructor(spec: WorkerSpec, observer: WorkerObserver, loadGauge: Gauge | undefined) {
    this.id = workerId(spec.url);
    this.url = spec.url;
    this.cluster = spec.cluster;
    this.workerType = spec.workerType;
    this.runtime = spec.runtime ?? 'external';
    this.backend = spec.backend;
    this.models = spec.models;
    this.priority = spec.priority;
    this.cost = spec.cost;
    this.weight = spec.weight;
    this.labels = spec.labels;
    this.#spec = spec;
    this.#observer = observer;
    this.#loadGauge = loadGauge;
  }

  get apiKey(): string | undefined {
    return this.#spec.apiKey;
  }

  /** The spec that is in force. Holds the key: never log it. */
  spec(): WorkerSpec {
    return this.#spec;
  }

  acquireLoad(): LoadHold {
    this.inFlight += 1;
    this.#loadGauge?.inc();
    return new WorkerLoadHold(this);
  }

  /** Called by the hold, once. */
  releaseLoad(): void {
    this.inFlight -= 1;
    this.#loadGauge?.dec();
    if (this.inFlight === 0) this.#observer.onWorkerIdle(this);
  }

  recordOutcome(ok: boolean): void {
    this.#observer.onWorkerOutcome(this, ok);
  }

  /** Takes over the fields of a newer spec of the same worker. */
  applySpec(spec: WorkerSpec): void {
    this.#spec = spec;
    this.#derive();
    this.#observer.onWorkerChange(this, 'settings', this.health);
  }

  /** Takes over what was learnt; what the spec states goes first. */
  applyFacts(facts: WorkerFacts): void {
    this.#facts = facts;
    this.#derive();
  }

  setHealth(health: WorkerHealth): void {
    const previous = this.health;
    if (previous === health) return;
    this.health = health;
    this.available = health === 'healthy';
    this.#observer.onWorkerChange(this, 'health', previous);
  }

  #derive(): void {
    const spec = this.#spec;
    const facts = this.#facts;
    this.runtime = spec.runtime ?? facts.runtime ?? 'external';
    this.backend = spec.backend;
    this.priority = spec.priority;
    this.cost = spec.cost;
    this.weight = spec.weight;
    this.labels = { ...facts.labels, ...spec.labels };
    const models = spec.models.length > 0 ? spec.models : (facts.models ?? []);
    if (sameStrings(models, this.models)) return;
    this.models = models;
    this.#observer.onWorkerChange(this, 'models', this.health);
  }
}

/** One request's share of the load of one worker. */
class WorkerLoadHold implements LoadHold {
  readonly worker: ManagedWorker;
  #released = false;

  constructor(worker: ManagedWorker) {
    this.worker = worker;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.worker.releaseLoad();
  }
}

function sameStrings(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((value, index) => value === right[index]);
}
