import assert from 'node:assert/strict';
import { FakeClock } from '../testing/fake-clock.js';
import { ProbeLimiter, type ProbeLimits } from './detection/probe-limiter.js';
import { HealthChecker } from './health-checker.js';
import { ScriptedClient } from './scripted-client.fixture.js';
import { ManagedWorker } from './worker.js';
import type { WorkerObserver } from './worker-observer.js';
import { createWorkerSpec } from './worker-spec.fixture.js';
import { DEFAULT_HEALTH_CHECK, type WorkerSpec } from './worker-spec.js';

/** Lets promises settle: a probe takes a handful of turns. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** One health checker with everything around it, and a worker at `http://worker/base`. */
export class HealthBench {
  readonly clock = new FakeClock();
  readonly client = new ScriptedClient();
  readonly limiter: ProbeLimiter;
  readonly checker: HealthChecker;
  /** What became of the worker, in order: its health, or what else changed. */
  readonly changes: string[] = [];
  readonly #observer: WorkerObserver;
  #worker: ManagedWorker | undefined = undefined;

  constructor(limits?: Partial<ProbeLimits>) {
    const { client, clock } = this;
    this.limiter = new ProbeLimiter(clock, limits);
    this.checker = new HealthChecker({ client, clock, random: () => 0.5, limiter: this.limiter });
    this.#observer = {
      onWorkerOutcome: (subject, ok) => this.checker.onOutcome(subject, ok),
      onWorkerIdle: () => {},
      onWorkerChange: (subject, change) => {
        if (change !== 'reason') this.changes.push(change === 'health' ? subject.health : change);
      },
    };
  }

  /** The last one that was started. */
  get worker(): ManagedWorker {
    assert.ok(this.#worker !== undefined);
    return this.#worker;
  }

  /** Has a new worker checked, the first time after `delayMs`. */
  start(change: Partial<WorkerSpec> = {}, health: Partial<WorkerSpec['health']> = {}, delayMs?: number): void {
    const spec = createWorkerSpec({
      url: 'http://worker/base',
      health: { ...DEFAULT_HEALTH_CHECK, ...health },
      ...change,
    });
    this.#worker = new ManagedWorker(spec, this.#observer, undefined);
    this.checker.start(this.#worker, delayMs);
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settle();
  }

  close(): void {
    this.checker.stop(this.worker);
    assert.equal(this.clock.pendingTimers, 0);
  }
}
