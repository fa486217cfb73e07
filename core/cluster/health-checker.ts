import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../api/clock.js';
import { GatewayError } from '../api/errors.js';
import type { Counter } from '../api/stats.js';
import type { UpstreamClient } from '../api/upstream.js';
import { type FetchOptions, fetchResponse, isSuccess } from './control-fetch.js';
import { HealthState } from './health-state.js';
import { discoverWorker, engineRoot } from './model-discovery.js';
import type { ManagedWorker } from './worker.js';
import type { WorkerSpec } from './worker-spec.js';

/** Shortest pause between two probes of one worker that failing requests ask for, ms. */
const REQUESTED_PROBE_GAP_MS = 250;
/** Pauses between tries to ask an unprobed worker for its models, ms: from, up to. */
const DISCOVERY_RETRY_MS = { first: 1_000, max: 60_000 } as const;

/** What a health checker works with. */
export interface HealthCheckerDependencies {
  readonly client: UpstreamClient;
  readonly clock: Clock;
  /** In [0, 1). Default `Math.random`. */
  readonly random?: () => number;
  /** The counter of one result. */
  /** Told the result of every probe. */
  readonly onProbe?: (worker: ManagedWorker, ok: boolean) => void;
  readonly countCheck?: (workerType: string, result: 'success' | 'failure') => Counter;
}

/**
 * Keeps the health of every worker current by active probes, which failing requests can ask for; learns its models and
 * runtime before a worker becomes healthy, so that no request is sent on a guess. Probes of one worker never overlap.
 */
export class HealthChecker {
  readonly #dependencies: HealthCheckerDependencies;
  readonly #checks = new Map<ManagedWorker, WorkerCheck>();

  constructor(dependencies: HealthCheckerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins with a probe at once. */
  start(worker: ManagedWorker): void {
    this.stop(worker);
    const check = new WorkerCheck(worker, this.#dependencies);
    this.#checks.set(worker, check);
    check.start();
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

/** The checks of one worker from start to stop. */
class WorkerCheck {
  readonly enabled: boolean;
  readonly #worker: ManagedWorker;
  readonly #dependencies: HealthCheckerDependencies;
  readonly #state: HealthState;
  /** The spec that the present round of checks goes by. */
  #spec: WorkerSpec;
  readonly #abort = new AbortController();
  readonly #onTimer = (): void => void this.#run();
  #timer: Timer | undefined = undefined;
  #running = false;
  /** A probe was asked for while one was running. */
  #again = false;
  #lastRunMs = Number.NEGATIVE_INFINITY;
  /** Whether the worker was asked for its models and answered. */
  #discovered = false;
  #discoveryDelayMs: number = DISCOVERY_RETRY_MS.first;

  constructor(worker: ManagedWorker, dependencies: HealthCheckerDependencies) {
    this.#spec = worker.spec();
    this.enabled = this.#spec.health.enabled;
    this.#worker = worker;
    this.#dependencies = dependencies;
    this.#state = new HealthState(this.#spec.health);
  }

  start(): void {
    if (!this.enabled) this.#worker.setHealth('healthy');
    void this.#run();
  }

  stop(): void {
    this.#abort.abort(new GatewayError('draining', 'The worker was removed', { details: 'worker_removed' }));
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  update(): void {
    const spec = this.#worker.spec();
    if (isDeepStrictEqual(relevantFields(spec), relevantFields(this.#spec))) return;
    this.#spec = spec;
    this.#state.configure(spec.health);
    this.#discovered = false;
    this.#runSoon(0);
  }

  onOutcome(ok: boolean): void {
    if (this.#state.onOutcome(ok)) this.probeSoon();
  }

  probeSoon(): void {
    if (!this.enabled) return;
    const sinceMs = this.#dependencies.clock.monotonicMs() - this.#lastRunMs;
    this.#runSoon(Math.max(0, REQUESTED_PROBE_GAP_MS - sinceMs));
  }

  #runSoon(delayMs: number): void {
    if (this.#running) this.#again = true;
    else if (delayMs === 0) void this.#run();
    else this.#schedule(delayMs);
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#dependencies.clock.setTimer(delayMs, this.#onTimer);
  }

  /** One round: probe, discovery where due, then the timer of the next. Never rejects. */
  async #run(): Promise<void> {
    this.#timer?.cancel();
    this.#running = true;
    this.#lastRunMs = this.#dependencies.clock.monotonicMs();
    const nextMs = this.enabled ? await this.#probeRound() : await this.#discoveryRound();
    this.#running = false;
    if (this.#abort.signal.aborted) return;
    const again = this.#again;
    this.#again = false;
    if (again) this.#schedule(Math.min(nextMs ?? REQUESTED_PROBE_GAP_MS, REQUESTED_PROBE_GAP_MS));
    else if (nextMs !== undefined) this.#schedule(nextMs);
  }

  async #probeRound(): Promise<number> {
    const failure = await this.#probe();
    if (this.#abort.signal.aborted) return 0;
    const ok = failure === '';
    const worker = this.#worker;
    worker.healthReason = failure;
    this.#dependencies.countCheck?.(worker.workerType, ok ? 'success' : 'failure').inc();
    if (this.#state.onProbe(ok)) this.#discovered = false;
    if (ok && this.#state.health === 'healthy' && !this.#discovered) await this.#discover();
    if (this.#abort.signal.aborted) return 0;
    worker.setHealth(this.#state.health);
    this.#dependencies.onProbe?.(worker, ok);
    return this.#state.nextDelayMs((this.#dependencies.random ?? Math.random)());
  }

  /** Empty string, or why it failed. */
  async #probe(): Promise<string> {
    const url = engineRoot(this.#worker.url) + this.#worker.spec().health.path;
    try {
      const { status } = await fetchResponse(this.#dependencies.client, url, this.#fetchOptions());
      return isSuccess(status) ? '' : `status_${status}`;
    } catch (error) {
      return GatewayError.from(error).details;
    }
  }

  /** For a worker that is not probed: until it has answered once. Undefined: nothing more to do. */
  async #discoveryRound(): Promise<number | undefined> {
    // A provider without a key of ours takes any model that the caller's key may use.
    const { runtime, apiKey } = this.#worker;
    if (runtime === 'external' && apiKey === undefined) return undefined;
    await this.#discover();
    if (this.#discovered) return undefined;
    const delayMs = this.#discoveryDelayMs;
    this.#discoveryDelayMs = Math.min(delayMs * 2, DISCOVERY_RETRY_MS.max);
    return delayMs;
  }

  async #discover(): Promise<void> {
    const spec = this.#worker.spec();
    const wantsRuntime = spec.runtime === undefined;
    if (spec.models.length > 0 && !wantsRuntime) {
      this.#discovered = true;
      return;
    }
    const query = { url: spec.url, wantsRuntime, options: this.#fetchOptions() };
    try {
      const facts = await discoverWorker(this.#dependencies.client, query);
      if (this.#abort.signal.aborted) return;
      this.#discovered = true;
      this.#worker.applyFacts(facts);
    } catch (error) {
      // The next round asks again; until then the worker is taken to serve what was known before.
      this.#worker.healthReason = `discovery_${GatewayError.from(error).details}`;
    }
  }

  #fetchOptions(): FetchOptions {
    const spec = this.#worker.spec();
    const options = { timeoutMs: spec.health.timeoutMs, signal: this.#abort.signal, tls: spec.tls };
    if (spec.apiKey === undefined) return options;
    return { ...options, headers: { authorization: `Bearer ${spec.apiKey}` } };
  }
}

/** What checks depend on: a change of anything else is no reason to probe. */
function relevantFields(spec: WorkerSpec): unknown[] {
  return [spec.health, spec.models, spec.runtime, spec.apiKey, spec.tls];
}
