import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../api/clock.js';
import { formatDuration } from '../api/config-scalars.js';
import { GatewayError } from '../api/errors.js';
import type { Counter } from '../api/stats.js';
import type { UpstreamClient } from '../api/upstream.js';
import { accessOf, type FetchOptions, fetchResponse, isSuccess } from './control-fetch.js';
import { detectWorker } from './detection/detect-worker.js';
import type { ProbeLane, ProbeLimiter, ProbePlace } from './detection/probe-limiter.js';
import { DetectionError, failureReason, workerRoot } from './detection/worker-questions.js';
import { HealthState } from './health-state.js';
import { StartupWait } from './startup-wait.js';
import type { ManagedWorker } from './worker.js';
import type { WorkerSpec } from './worker-spec.js';

/** Shortest pause between two probes of one worker that failing requests ask for, ms. */
const REQUESTED_PROBE_GAP_MS = 250;
/** Pauses between attempts to learn about a worker, ms: from, up to. */
const DETECTION_RETRY_MS = { first: 1_000, max: 60_000 } as const;
/** Limit of one attempt with all its questions, ms. */
const DETECTION_TIMEOUT_MS = 10_000;
/** How often a provider is asked for its models again, ms, give or take a tenth. */
const PROVIDER_REFRESH_MS = 600_000;

/** What the checks of a worker work with. */
export interface WorkerCheckDependencies {
  readonly client: UpstreamClient;
  readonly clock: Clock;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
  /** Told the result of every probe. */
  readonly onProbe?: (worker: ManagedWorker, ok: boolean) => void;
  /** The counter of one result. */
  readonly countCheck?: (workerType: string, result: 'success' | 'failure') => Counter;
}

/** The checks of one worker from start to stop. Owned by the health checker. */
export class WorkerCheck {
  readonly enabled: boolean;
  readonly #worker: ManagedWorker;
  readonly #dependencies: WorkerCheckDependencies;
  readonly #limiter: ProbeLimiter;
  /** Shortest pause between two probes of a worker that is well, ms. */
  readonly #leastPauseMs: () => number;
  readonly #state: HealthState;
  /** The spec that the present round of checks goes by. */
  #spec: WorkerSpec;
  readonly #onTimer = (): void => this.#run();
  readonly #onPlace = (place: ProbePlace): void => void this.#round(place);
  #timer: Timer | undefined = undefined;
  #stopped = false;
  /** From the moment when a round wants a place until it has ended. */
  #running = false;
  /** It waits for that place. */
  #waiting = false;
  /** Nothing was asked yet. */
  #isNew = true;
  #leaveQueue: (() => void) | undefined = undefined;
  /** Ends the questions of the round under way; used until it is aborted. */
  #abort = new AbortController();
  /** A probe was asked for while one was running. */
  #again = false;
  #lastRunMs = Number.NEGATIVE_INFINITY;
  /** From the first check of a worker that is not up, or from a change of its settings. */
  #wait: StartupWait;
  /** Until its first check is due. */
  #delayed = false;
  /** Whether what the worker is was made out, by the present spec and since it last came up. */
  #detected = false;
  #detectionDelayMs: number = DETECTION_RETRY_MS.first;

  constructor(
    worker: ManagedWorker,
    dependencies: WorkerCheckDependencies,
    limiter: ProbeLimiter,
    leastPauseMs: () => number,
  ) {
    this.#spec = worker.spec();
    this.enabled = this.#spec.health.enabled;
    this.#worker = worker;
    this.#dependencies = dependencies;
    this.#limiter = limiter;
    this.#leastPauseMs = leastPauseMs;
    this.#wait = this.#newWait();
    // One that is named again before it had gone, or is probed again, need not prove itself anew.
    const { health } = worker;
    this.#state = new HealthState(this.#spec.health, health === 'draining' || health === 'failed' ? 'pending' : health);
  }

  start(delayMs: number): void {
    if (this.#worker.health === 'failed') this.#worker.setHealth('pending');
    if (delayMs === 0) {
      this.#begin();
      return;
    }
    this.#delayed = true;
    this.#worker.healthReason = `startup: first check after ${formatDuration(delayMs)}`;
    this.#timer = this.#dependencies.clock.setCoarseTimer(delayMs, () => this.#begin());
  }

  #begin(): void {
    this.#delayed = false;
    this.#timer?.cancel();
    this.#wait = this.#newWait();
    if (!this.enabled && !this.#awaitsFacts()) this.#worker.setHealth('healthy');
    this.#run();
  }

  #newWait(): StartupWait {
    return new StartupWait(this.#spec.startup, this.#now());
  }

  stop(): void {
    this.#stopped = true;
    this.#leaveQueue?.();
    this.#abortRound();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  update(): void {
    const spec = this.#worker.spec();
    const before = this.#spec;
    if (isDeepStrictEqual(relevantFields(spec), relevantFields(before))) return;
    this.#spec = spec;
    this.#state.configure(spec.health);
    if (this.#delayed) {
      // A shorter delay than the one that it waits out ends it.
      if (spec.startup.delayMs < before.startup.delayMs) this.#begin();
      return;
    }
    this.#detected = false;
    this.#abortRound();
    // What used to be stated is now to be asked for.
    if (this.#awaitsFacts()) this.#worker.setHealth('pending');
    // Whoever changed what keeps it from coming up means to try anew.
    if (this.#worker.health === 'failed' && this.#state.health !== 'failed') this.#worker.setHealth('pending');
    if (this.#worker.health === 'pending') this.#wait = this.#newWait();
    this.#runSoon(0);
  }

  onOutcome(ok: boolean): void {
    if (this.#state.onOutcome(ok)) this.probeSoon();
  }

  probeSoon(): void {
    if (!this.enabled || this.#delayed) return;
    const sinceMs = this.#now() - this.#lastRunMs;
    this.#runSoon(Math.max(0, REQUESTED_PROBE_GAP_MS - sinceMs));
  }

  /** Nothing may go there before it was made out: it would be taken to serve any model, by a guess at its engine. */
  #awaitsFacts(): boolean {
    return !this.#worker.known && (this.enabled || this.#asksUnprobed());
  }

  /**
   * Whether a worker that is not probed is asked what it is. Whoever states its models wants it left alone, and a provider
   * without a key of ours takes any model that the caller's key may use.
   */
  #asksUnprobed(): boolean {
    const { runtime, apiKey, listKey, models } = this.#spec;
    return models.length === 0 && (runtime !== 'external' || (listKey ?? apiKey) !== undefined);
  }

  #runSoon(delayMs: number): void {
    if (this.#waiting) {
      this.#leaveQueue?.();
      this.#enter('urgent');
    } else if (this.#running) {
      this.#again = true;
    } else if (delayMs === 0) {
      this.#run('urgent');
    } else {
      this.#schedule(delayMs, 'urgent');
    }
  }

  #schedule(delayMs: number, lane?: ProbeLane): void {
    this.#timer?.cancel();
    const onTimer = lane === undefined ? this.#onTimer : () => this.#run(lane);
    this.#timer = this.#dependencies.clock.setCoarseTimer(delayMs, onTimer);
  }

  #abortRound(): void {
    if (!this.#running) return;
    this.#abort.abort(new GatewayError('draining', 'The worker was removed or changed', { details: 'worker_removed' }));
  }

  #run(lane: ProbeLane = this.#lane()): void {
    this.#timer?.cancel();
    this.#running = true;
    this.#enter(lane);
  }

  #enter(lane: ProbeLane): void {
    this.#waiting = true;
    this.#leaveQueue = this.#limiter.enter(lane, this.#onPlace);
  }

  #lane(): ProbeLane {
    if (this.#isNew) return 'first';
    if (this.enabled && this.#state.inQuestion) return 'urgent';
    return this.#worker.health === 'healthy' ? 'keeping' : 'recovering';
  }

  /** One round: probe, detection where due, then the timer of the next. Never rejects. */
  async #round(place: ProbePlace): Promise<void> {
    this.#waiting = false;
    this.#isNew = false;
    this.#lastRunMs = this.#now();
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
    const { signal } = this.#abort;
    const nextMs = this.enabled ? await this.#probeRound(signal) : await this.#detectionRound(signal);
    place.release();
    this.#running = false;
    if (this.#stopped) return;
    const again = this.#again;
    this.#again = false;
    if (signal.aborted) this.#schedule(0, 'urgent');
    else if (again) this.#schedule(Math.min(nextMs ?? REQUESTED_PROBE_GAP_MS, REQUESTED_PROBE_GAP_MS), 'urgent');
    else if (nextMs !== undefined) this.#schedule(nextMs);
  }

  async #probeRound(signal: AbortSignal): Promise<number> {
    const failure = await this.#probe(signal);
    if (signal.aborted) return 0;
    const ok = failure === '';
    const worker = this.#worker;
    worker.healthReason = failure;
    this.#dependencies.countCheck?.(worker.workerType, ok ? 'success' : 'failure').inc();
    if (this.#state.onProbe(ok, this.#now())) this.#detected = false;
    if (ok && this.#state.health === 'healthy' && !this.#detected) await this.#detect(signal);
    if (signal.aborted) return 0;
    // Up, but not made out: no request may go there on a guess.
    const unknown = this.#state.health === 'healthy' && !worker.known;
    if (unknown || this.#state.health === 'pending') this.#judgeStartup();
    else worker.setHealth(this.#state.health);
    this.#dependencies.onProbe?.(worker, ok);
    if (unknown) return this.#nextDetectionMs();
    if (this.#state.health === 'pending') return this.#wait.nextPauseMs(this.#now(), this.#spec.health.intervalMs);
    return this.#state.nextDelayMs(this.#random(), this.#leastPauseMs());
  }

  /** Empty string, or why it failed. */
  async #probe(signal: AbortSignal): Promise<string> {
    const { health } = this.#spec;
    const url = workerRoot(this.#worker) + health.path;
    try {
      const { status } = await fetchResponse(
        this.#dependencies.client,
        url,
        this.#fetchOptions(health.timeoutMs, signal),
      );
      return isSuccess(status) ? '' : `health: status ${status}`;
    } catch (error) {
      return `health: ${failureReason(error)}`;
    }
  }

  /** For a worker that is not probed. Undefined: nothing more to do. */
  async #detectionRound(signal: AbortSignal): Promise<number | undefined> {
    const asks = this.#asksUnprobed();
    if (asks) await this.#detect(signal);
    if (signal.aborted) return 0;
    if (asks && !this.#detected) {
      this.#judgeStartup();
      return this.#nextDetectionMs();
    }
    this.#worker.healthReason = '';
    this.#worker.setHealth('healthy');
    if (!asks || this.#spec.runtime !== 'external') return undefined;
    this.#detected = false;
    return PROVIDER_REFRESH_MS * (0.9 + 0.2 * this.#random());
  }

  async #detect(signal: AbortSignal): Promise<void> {
    const spec = this.#spec;
    const { url, runtime, models } = spec;
    if (runtime !== undefined && models.length > 0) {
      this.#detected = true;
      return;
    }
    const { client, clock } = this.#dependencies;
    const options = this.#fetchOptions(DETECTION_TIMEOUT_MS, signal);
    try {
      const { provider } = this.#worker;
      const facts = await detectWorker({ client, clock, url, runtime, provider, models, options });
      if (signal.aborted) return;
      this.#detected = true;
      this.#detectionDelayMs = DETECTION_RETRY_MS.first;
      this.#worker.applyFacts(facts);
    } catch (error) {
      if (signal.aborted) return;
      // The next round asks again; a worker that was made out before is taken to be what it was.
      this.#worker.healthReason = DetectionError.from('detection', error).message;
    }
  }

  /** One that is still not up is pending, or failed when its time is over. */
  #judgeStartup(): void {
    if (this.#worker.health === 'healthy') return;
    this.#worker.setHealth(this.#wait.isOver(this.#now()) ? 'failed' : 'pending');
  }

  #nextDetectionMs(): number {
    const longestMs = Math.min(this.#spec.startup.checkEveryMs ?? DETECTION_RETRY_MS.max, DETECTION_RETRY_MS.max);
    const delayMs = Math.min(this.#detectionDelayMs, longestMs);
    this.#detectionDelayMs = Math.min(delayMs * 2, longestMs);
    return this.#worker.health === 'pending' ? this.#wait.cutPause(delayMs, this.#now()) : delayMs;
  }

  #now(): number {
    return this.#dependencies.clock.monotonicMs();
  }

  #random(): number {
    return (this.#dependencies.random ?? Math.random)();
  }

  #fetchOptions(timeoutMs: number, signal: AbortSignal): FetchOptions {
    const { provider, tls } = this.#worker;
    const { apiKey, listKey } = this.#spec;
    return { timeoutMs, signal, ...accessOf({ provider, tls, apiKey: listKey ?? apiKey }) };
  }
}

/** What checks depend on: a change of anything else is no reason to probe. */
function relevantFields(spec: WorkerSpec): unknown[] {
  return [spec.health, spec.startup, spec.models, spec.runtime, spec.provider, spec.apiKey, spec.listKey, spec.tls];
}
