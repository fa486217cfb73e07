import type { Clock, Timer } from '../api/clock.js';
import { GatewayError } from '../api/errors.js';
import type { EngineLoad } from '../api/worker.js';
import { accessOf, type ControlClient, type FetchOptions } from './control-fetch.js';
import { createEngineLoad, type EngineReport } from './engine-metrics.js';
import { LoadProbe } from './load-probe.js';
import type { LoadStats } from './load-stats.js';
import { isOverloaded } from './overload.js';
import type { ManagedWorker } from './worker.js';
import type { WorkerRegistry } from './worker-registry.js';

/** Time in which an engine must answer, ms. */
const POLL_TIMEOUT_MS = 5_000;
/** Questions under way at a time, over all workers. */
const MAX_CONCURRENT = 32;
/** A worker without requests is asked this many times less often; one that gets some, at the next usual time. */
const IDLE_FACTOR = 6;
/** A report is forgotten when the next question has waited this many times the usual pause for its turn. */
const EXPIRY_FACTOR = 2;
/** After this many times the usual pause it is asked together with a probe. */
const JOIN_FACTOR = 4;

/** What a load monitor works with. */
export interface LoadMonitorDependencies {
  readonly client: ControlClient;
  readonly clock: Clock;
  readonly stats: LoadStats | undefined;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Keeps `engineLoad` and `overloaded` of every worker current by asking its engine, where something needs to know. One per
 * process; follows the registry. A worker that does not tell is asked no more until it is replaced or is another engine.
 */
export class LoadMonitor {
  readonly #dependencies: LoadMonitorDependencies;
  readonly #polls = new Map<ManagedWorker, WorkerPoll>();
  readonly #waiting: WorkerPoll[] = [];
  readonly #unsubscribe: () => void;
  #running = 0;

  constructor(registry: WorkerRegistry, dependencies: LoadMonitorDependencies) {
    this.#dependencies = dependencies;
    this.#unsubscribe = registry.onChange(({ worker, change }) => {
      if (change === 'removed') this.#remove(worker);
      else if (change !== 'selection') this.#update(worker);
      // Which models it counts for may have changed with anything.
      if (change !== 'added') dependencies.stats?.showOverloaded(worker, change === 'removed');
    });
  }

  /** Ends everything: the end of the process. */
  close(): void {
    this.#unsubscribe();
    for (const worker of [...this.#polls.keys()]) this.#remove(worker);
  }

  #update(worker: ManagedWorker): void {
    const { load, overload } = worker.protection;
    const wanted =
      worker.health === 'healthy' &&
      (worker.known || worker.spec().runtime !== undefined) &&
      worker.runtime !== 'external' &&
      (load.always || overload !== undefined || worker.needsLoad);
    const poll = this.#polls.get(worker);
    if (!wanted) {
      this.#remove(worker);
    } else if (poll === undefined || poll.runtime !== worker.runtime) {
      poll?.stop();
      const started = new WorkerPoll(worker, this.#dependencies, (asking) => this.#enqueue(asking));
      this.#polls.set(worker, started);
      started.start();
    } else {
      poll.evaluate();
    }
  }

  #remove(worker: ManagedWorker): void {
    const poll = this.#polls.get(worker);
    if (poll === undefined) return;
    this.#polls.delete(worker);
    poll.stop();
    poll.forget();
  }

  /** Something wants to know the load of a worker now; without effect where it is not asked at all. */
  askSoon(worker: ManagedWorker): void {
    this.#polls.get(worker)?.askNow();
  }

  /** A worker has just answered a probe; see {@link WorkerPoll.onProbe}. */
  onProbe(worker: ManagedWorker): void {
    this.#polls.get(worker)?.onProbe();
  }

  /** False: it waits for its turn. */
  #enqueue(poll: WorkerPoll): boolean {
    if (this.#running < MAX_CONCURRENT) {
      void this.#run(poll);
      return true;
    }
    this.#waiting.push(poll);
    return false;
  }

  async #run(poll: WorkerPoll): Promise<void> {
    this.#running += 1;
    await poll.ask();
    this.#running -= 1;
    const next = this.#waiting.shift();
    if (next !== undefined) void this.#run(next);
  }
}

/** The questions to one worker, from start to stop. */
class WorkerPoll {
  readonly runtime: ManagedWorker['runtime'];
  readonly #worker: ManagedWorker;
  readonly #dependencies: LoadMonitorDependencies;
  readonly #enqueue: (poll: WorkerPoll) => boolean;
  readonly #probe: LoadProbe;
  readonly #abort = new AbortController();
  #timer: Timer | undefined = undefined;
  /** From then on the next probe may bring the next question along; monotonic ms. */
  #mayJoinMs = Number.POSITIVE_INFINITY;
  /** Until then an idle worker is not asked; monotonic ms. */
  #restsUntilMs = 0;
  /** A question is under way, or waits for its turn. */
  #asking = false;
  /** The last question went unanswered. */
  #missed = false;
  /** When it last told; monotonic. */
  #reportedMs: number | undefined = undefined;

  constructor(worker: ManagedWorker, dependencies: LoadMonitorDependencies, enqueue: (poll: WorkerPoll) => boolean) {
    this.runtime = worker.runtime;
    this.#worker = worker;
    this.#dependencies = dependencies;
    this.#enqueue = enqueue;
    this.#probe = new LoadProbe(worker.runtime);
  }

  /** The first question is asked soon, not at once: workers that came together spread. */
  start(): void {
    const { random = Math.random } = this.#dependencies;
    this.#schedule(Math.min(this.#worker.protection.load.pollMs, 1_000) * random());
  }

  stop(): void {
    this.#abort.abort(new GatewayError('draining', 'The worker is not asked any more', { details: 'poll_stopped' }));
    this.#timer?.cancel();
  }

  /** The limits may have changed. */
  evaluate(): void {
    this.#worker.setOverloaded(isOverloaded(this.#worker.engineLoad, this.#worker.protection.overload));
  }

  /**
   * The connection of the probe is still open: an idle worker is asked over it rather than over a new one soon after.
   */
  onProbe(): void {
    if (this.#dependencies.clock.monotonicMs() < this.#mayJoinMs) return;
    this.#timer?.cancel();
    this.#askSoon();
  }

  /** Unless it is asked already. */
  askNow(): void {
    if (this.#asking || this.#probe.absent) return;
    this.#timer?.cancel();
    this.#askSoon();
  }

  /** Nothing is known of its load any more: an old report must neither keep requests away nor draw them in. */
  forget(): void {
    this.#setLoad(undefined);
  }

  /** One round. Never rejects. */
  async ask(): Promise<void> {
    this.#timer?.cancel();
    if (this.#abort.signal.aborted) return;
    const worker = this.#worker;
    const answer = await this.#probe.ask(this.#dependencies.client, worker.url, this.#fetchOptions());
    this.#asking = false;
    if (this.#abort.signal.aborted) return;
    if (answer === 'absent') {
      this.forget();
      return;
    }
    if (answer === 'failed') this.#onSilence();
    else this.#onReport(answer);
    const { pollMs } = worker.protection.load;
    const idle = answer !== 'failed' && worker.inFlight === 0 && !worker.overloaded;
    const { random = Math.random } = this.#dependencies;
    const pauseMs = pollMs * (0.9 + 0.2 * random());
    const nowMs = this.#dependencies.clock.monotonicMs();
    this.#restsUntilMs = idle ? nowMs + pauseMs * IDLE_FACTOR : 0;
    if (idle) this.#mayJoinMs = nowMs + pollMs * JOIN_FACTOR;
    this.#schedule(pauseMs);
  }

  #onReport(report: EngineReport): void {
    const { clock } = this.#dependencies;
    const worker = this.#worker;
    this.#reportedMs = clock.monotonicMs();
    this.#missed = false;
    worker.recordContact();
    const at = { receivedMs: this.#reportedMs, timestampMs: clock.nowMs(), ownInFlight: worker.inFlight };
    this.#setLoad(createEngineLoad(report, at));
  }

  #setLoad(load: EngineLoad | undefined): void {
    const worker = this.#worker;
    if (load === undefined && worker.engineLoad === undefined) return;
    worker.setEngineLoad(load);
    this.#dependencies.stats?.showLoad(worker);
    this.evaluate();
  }

  #onSilence(): void {
    const worker = this.#worker;
    this.forget();
    const { staleMs } = worker.protection.liveness;
    if (staleMs === 0 || this.#reportedMs === undefined) return;
    const isStale = this.#dependencies.clock.monotonicMs() - this.#reportedMs >= staleMs;
    // Other signs of life since the last question that went unanswered speak for it.
    if (isStale && this.#missed && !worker.heard) {
      worker.guard?.onStale();
      return;
    }
    this.#missed = true;
    worker.heard = false;
    worker.awaitsContact = true;
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#dependencies.clock.setCoarseTimer(delayMs, () => this.#onTimer(delayMs));
  }

  #onTimer(pauseMs: number): void {
    const restMs = this.#restsUntilMs - this.#dependencies.clock.monotonicMs();
    if (restMs > 0 && this.#worker.inFlight === 0) this.#schedule(Math.min(pauseMs, restMs));
    else this.#askSoon();
  }

  #askSoon(): void {
    this.#mayJoinMs = Number.POSITIVE_INFINITY;
    this.#asking = true;
    if (this.#enqueue(this)) return;
    const { pollMs } = this.#worker.protection.load;
    this.#timer = this.#dependencies.clock.setCoarseTimer(pollMs * EXPIRY_FACTOR, () => this.forget());
  }

  #fetchOptions(): FetchOptions {
    return { timeoutMs: POLL_TIMEOUT_MS, signal: this.#abort.signal, ...accessOf(this.#worker) };
  }
}
