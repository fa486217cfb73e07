import { PROBES_PER_SECOND, ProbeLimiter } from './detection/probe-limiter.js';
import type { ManagedWorker } from './worker.js';
import { WorkerCheck, type WorkerCheckDependencies } from './worker-check.js';

/** What a health checker works with. */
export interface HealthCheckerDependencies extends WorkerCheckDependencies {
  /** One per process. Default: one of this checker's own. */
  readonly limiter?: ProbeLimiter;
}

/**
 * Keeps the health of every worker current by active probes, which failing requests can ask for; learns its models and
 * runtime before a worker becomes healthy, so that no request is sent on a guess: a worker that cannot be made out stays
 * pending, then failed, and is asked again, for ever. Probes of one worker never overlap; what an outdated spec led to is
 * dropped.
 */
export class HealthChecker {
  readonly #dependencies: HealthCheckerDependencies;
  readonly #limiter: ProbeLimiter;
  readonly #checks = new Map<ManagedWorker, WorkerCheck>();
  /** More workers than may be probed in their intervals would only wait for each other. */
  readonly #leastPauseMs = (): number => (this.#checks.size * 1_000) / PROBES_PER_SECOND;

  constructor(dependencies: HealthCheckerDependencies) {
    this.#dependencies = dependencies;
    this.#limiter = dependencies.limiter ?? new ProbeLimiter(dependencies.clock);
  }

  /** Begins with a probe, at once or after a while. A worker that was not up gets its whole start-up time. */
  start(worker: ManagedWorker, delayMs = 0): void {
    this.stop(worker);
    const check = new WorkerCheck(worker, this.#dependencies, this.#limiter, this.#leastPauseMs);
    this.#checks.set(worker, check);
    check.start(delayMs);
  }

  /** The worker's spec has changed. */
  update(worker: ManagedWorker): void {
    const check = this.#checks.get(worker);
    if (check === undefined) return;
    if (check.enabled !== worker.spec().health.enabled) this.start(worker);
    else check.update();
  }

  /** Aborts what is under way; the worker's health stays as it is. */
  stop(worker: ManagedWorker): void {
    this.#checks.get(worker)?.stop();
    this.#checks.delete(worker);
  }

  /** Something speaks against the worker: a probe as soon as the last one is long enough ago. */
  probeSoon(worker: ManagedWorker): void {
    this.#checks.get(worker)?.probeSoon();
  }

  /** Outcome of one request to the worker. */
  onOutcome(worker: ManagedWorker, ok: boolean): void {
    this.#checks.get(worker)?.onOutcome(ok);
  }
}
