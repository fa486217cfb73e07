import type { Clock, Timer } from '../api/clock.js';
import type { AttemptOutcome, EngineLoad } from '../api/worker.js';
import { type BreakerSettings, BreakerState, CircuitBreaker } from './circuit-breaker.js';
import type { ProtectionStats, WorkerBreakerStats } from './protection-stats.js';
import { WedgeWatch } from './wedge-watch.js';
import type { ManagedWorker } from './worker.js';
import type { RequestGuard } from './worker-observer.js';

/** Between two steps of the slow start, ms: each makes new lists for policies, so they are few. */
const WARMING_STEP_MS = 3_000;

/** What a guard works with. */
export interface WorkerGuardDependencies {
  readonly clock: Clock;
  readonly stats: ProtectionStats | undefined;
  /** Asks for a health probe now. */
  probeSoon(worker: ManagedWorker): void;
  /** Asks for the load of its engine now. */
  askLoad(worker: ManagedWorker): void;
}

/**
 * Drives the circuit breaker of one worker, watches for signs of life after a broken connection and for requests that hang:
 * owns their timers, and turns what they say into selection, shares and metrics. Made and ended with the worker.
 */
export class WorkerGuard implements RequestGuard {
  readonly #worker: ManagedWorker;
  readonly #dependencies: WorkerGuardDependencies;
  readonly #wedge: WedgeWatch;
  #breaker: CircuitBreaker | undefined = undefined;
  #breakerStats: WorkerBreakerStats | undefined = undefined;
  #settings: BreakerSettings | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #stallTimer: Timer | undefined = undefined;
  #state: BreakerState = BreakerState.Closed;
  /** The breaker opened from closed, by a broken connection: one good probe may let the worker be tried at once. */
  #mayReadmit = false;

  constructor(worker: ManagedWorker, dependencies: WorkerGuardDependencies) {
    this.#worker = worker;
    this.#dependencies = dependencies;
    this.#wedge = new WedgeWatch(worker, {
      clock: dependencies.clock,
      askLoad: dependencies.askLoad,
      onVerdict: (wedged) => {
        if (wedged) dependencies.stats?.countDoubt(worker.id, 'wedge');
        worker.setWedged(wedged);
      },
    });
    this.configure();
  }

  /** The worker's spec has changed. */
  configure(): void {
    if (!this.#watchesSilence()) this.onContact();
    this.#wedge.configure(this.#worker.protection.liveness.wedgeMs);
    const settings = this.#worker.protection.breaker;
    if (settings === this.#settings) return;
    this.#settings = settings;
    if (settings === undefined) {
      this.#breaker = undefined;
      this.#cancelTimer();
      this.#worker.setShut(false);
      this.#worker.setWarmth(1);
      this.#breakerStats?.setState(BreakerState.Closed);
      this.#state = BreakerState.Closed;
    } else if (this.#breaker === undefined) {
      this.#breaker = new CircuitBreaker(settings);
      this.#breakerStats ??= this.#dependencies.stats?.ofWorker(this.#worker.id);
      this.#breakerStats?.setState(BreakerState.Closed);
    } else {
      this.#breaker.configure(settings);
      this.#apply();
      this.#schedule(this.#dependencies.clock.monotonicMs());
    }
  }

  /** A request goes to the worker; see {@link CircuitBreaker.onDispatch}. */
  onDispatch(): number {
    this.#wedge.onDispatch();
    const breaker = this.#breaker;
    if (breaker === undefined || breaker.state !== BreakerState.HalfOpen) return 0;
    const ticket = breaker.onDispatch();
    this.#worker.setShut(!breaker.permits);
    return ticket;
  }

  /** That request is over. */
  onDone(ticket: number): void {
    this.#wedge.onDone();
    if (ticket === 0 || this.#breaker === undefined) return;
    this.#breaker.onDone(ticket);
    this.#worker.setShut(!this.#breaker.permits);
  }

  /** A good answer has begun. */
  onAnswering(startedMs: number): void {
    const breaker = this.#breaker;
    if (breaker === undefined || breaker.state !== BreakerState.HalfOpen) return;
    breaker.onAnswering(this.#dependencies.clock.monotonicMs(), startedMs);
    this.#apply();
  }

  /** Outcome of one attempt. */
  onOutcome(outcome: AttemptOutcome, startedMs: number): void {
    if (outcome === 'transport_failure') this.#watchSilence();
    const breaker = this.#breaker;
    if (breaker === undefined) return;
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (outcome === 'success') breaker.onSuccess(nowMs, startedMs);
    else breaker.onFailure(nowMs, startedMs);
    this.#breakerStats?.countOutcome(outcome === 'success');
    if (this.#state === BreakerState.Closed && breaker.state === BreakerState.Open) {
      this.#mayReadmit = outcome === 'transport_failure';
    }
    this.#apply();
  }

  /** The worker has sent something, or answered a probe. */
  onContact(): void {
    this.#stallTimer?.cancel();
    this.#stallTimer = undefined;
    this.#worker.heard = true;
    this.#worker.setSilent(false);
  }

  onProgress(): void {
    this.#wedge.onProgress();
  }

  onReport(load: EngineLoad): void {
    this.#wedge.onReport(load);
  }

  onStale(): void {
    this.#becomeSilent('stale');
  }

  /** Result of a health probe. */
  onProbe(ok: boolean): void {
    if (!ok) return;
    this.onContact();
    if (!this.#mayReadmit) return;
    this.#mayReadmit = false;
    this.#readmit();
  }

  /** Health checks have found the worker well again. */
  onPromoted(): void {
    this.#readmit();
  }

  /** Ends its timers. */
  close(): void {
    this.#cancelTimer();
    this.#stallTimer?.cancel();
    this.#wedge.close();
  }

  #readmit(): void {
    const breaker = this.#breaker;
    if (breaker === undefined || breaker.state !== BreakerState.Open) return;
    breaker.halfOpen(this.#dependencies.clock.monotonicMs());
    this.#dependencies.stats?.readmissions.inc();
    this.#apply();
  }

  /** Brings selection, share, timer and metrics in line with the breaker. */
  #apply(): void {
    const breaker = this.#breaker as CircuitBreaker;
    this.#breakerStats?.setRuns(breaker.consecutiveFailures, breaker.consecutiveSuccesses);
    const before = this.#state;
    if (breaker.state === before && before === BreakerState.Closed) return;
    const nowMs = this.#dependencies.clock.monotonicMs();
    this.#state = breaker.state;
    // A share below one only where it is chosen from: new lists for nothing otherwise.
    this.#worker.setWarmth(breaker.warmth(nowMs));
    this.#worker.setShut(!breaker.permits);
    if (breaker.state === before) return;
    this.#breakerStats?.countTransition(before, breaker.state);
    this.#schedule(nowMs);
    if (breaker.state === BreakerState.Open) this.#dependencies.probeSoon(this.#worker);
  }

  /** The next thing that time alone changes. */
  #schedule(nowMs: number): void {
    this.#cancelTimer();
    const breaker = this.#breaker as CircuitBreaker;
    const dueMs = breaker.halfOpenAtMs;
    if (dueMs !== undefined) this.#setTimer(dueMs - nowMs);
    else if (breaker.state === BreakerState.Closed && breaker.warmth(nowMs) < 1) this.#setTimer(WARMING_STEP_MS);
  }

  #setTimer(delayMs: number): void {
    this.#timer = this.#dependencies.clock.setTimer(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    const breaker = this.#breaker as CircuitBreaker;
    const nowMs = this.#dependencies.clock.monotonicMs();
    this.#timer = undefined;
    if (breaker.tick(nowMs)) this.#apply();
    else if (breaker.state === BreakerState.Closed) this.#worker.setWarmth(breaker.warmth(nowMs));
    if (this.#timer === undefined) this.#schedule(nowMs);
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Only a worker that is probed can be heard again without a request. */
  #watchesSilence(): boolean {
    return this.#worker.protection.liveness.stallMs > 0 && this.#worker.spec().health.enabled;
  }

  #watchSilence(): void {
    if (!this.#watchesSilence()) return;
    const { stallMs } = this.#worker.protection.liveness;
    if (this.#stallTimer !== undefined || this.#worker.silent) return;
    this.#worker.awaitsContact = true;
    this.#stallTimer = this.#dependencies.clock.setTimer(stallMs, () => {
      this.#stallTimer = undefined;
      this.#becomeSilent('stall');
    });
  }

  #becomeSilent(reason: 'stall' | 'stale'): void {
    if (!this.#worker.silent) this.#dependencies.stats?.countDoubt(this.#worker.id, reason);
    this.#worker.setSilent(true);
  }
}
