import type { Clock, Timer } from '../api/clock.js';
import type { EngineLoad } from '../api/worker.js';
import type { ManagedWorker } from './worker.js';

/** Looks in the time of silence that is allowed, so that two reports of the engine come within it. */
const LOOKS = 3;
/** Shortest pause between two looks, ms. */
const MIN_LOOK_MS = 100;
/** Longest silence that pending prompts excuse, ms. */
const MAX_LIMIT_MS = 120_000;
/** Prompt tokens that even a slow engine reads in a millisecond. */
const PROMPT_TOKENS_PER_MS = 2;

/** What a watch works with. */
export interface WedgeWatchDependencies {
  readonly clock: Clock;
  /** Asks the engine for its load now, where it is asked at all. */
  askLoad(worker: ManagedWorker): void;
  /** The verdict has changed. */
  onVerdict(wedged: boolean): void;
}

/**
 * Watches for an engine on which requests hang although it, or the server in front of it, still answers probes.
 *
 * Wedged: for the allowed silence, longer by what pending prompts take, no piece of any answer has come, requests pile up
 * (more in flight, or waiting in the engine, than when the silence began), and either some of them are streams that are
 * being read, or the engine's own reports have stood still for as long. Requests that are not streamed are silent by nature
 * and prove nothing alone. A report that shows the engine moving counts as a piece.
 *
 * Over with the next piece of an answer, with such a report, or when no request is left; then the next one that hangs is
 * enough. A cloud provider is not one engine, and is not watched. The timer runs only while requests are in flight.
 */
export class WedgeWatch {
  readonly #worker: ManagedWorker;
  readonly #dependencies: WedgeWatchDependencies;
  #limitMs = 0;
  #timer: Timer | undefined = undefined;
  #wedged = false;
  /** It was wedged, and nothing has come of it since. */
  #suspect = false;
  #silentSinceMs = 0;
  #inFlightBefore = 0;
  #waitingBefore: number | undefined = undefined;
  /** Last report within this silence, and since when reports have not changed. */
  #report: EngineLoad | undefined = undefined;
  #frozenSinceMs: number | undefined = undefined;

  constructor(worker: ManagedWorker, dependencies: WedgeWatchDependencies) {
    this.#worker = worker;
    this.#dependencies = dependencies;
  }

  /** `limitMs`: silence that is allowed; 0: none is watched for. */
  configure(limitMs: number): void {
    this.#limitMs = limitMs;
    if (limitMs === 0) this.close();
    else if (this.#worker.inFlight > 0) this.onDispatch();
  }

  /** A request goes to the worker. */
  onDispatch(): void {
    if (this.#timer !== undefined || this.#limitMs === 0 || this.#worker.runtime === 'external') return;
    this.#worker.progress.moved = false;
    this.#beginSilence();
    this.#schedule();
  }

  /** One is over. */
  onDone(): void {
    if (this.#timer === undefined || this.#worker.inFlight > 0) return;
    this.#timer.cancel();
    this.#timer = undefined;
    if (this.#worker.progress.moved) this.#suspect = false;
    this.#decide(false);
  }

  /** A piece of an answer has come; told while the worker is wedged. */
  onProgress(): void {
    this.#suspect = false;
    this.#beginSilence();
    this.#decide(false);
  }

  /** The engine has reported its load. */
  onReport(report: EngineLoad): void {
    if (this.#timer === undefined) return;
    const before = this.#report;
    if (before !== undefined && hasMoved(before, report)) this.onProgress();
    this.#report = report;
    this.#waitingBefore ??= report.waitingRequests;
    this.#frozenSinceMs ??= this.#dependencies.clock.monotonicMs();
  }

  /** Ends the watch and what it found. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#suspect = false;
    this.#decide(false);
  }

  #look(): void {
    const { progress, inFlight } = this.#worker;
    if (progress.moved) {
      progress.moved = false;
      this.onProgress();
    }
    this.#inFlightBefore = Math.min(this.#inFlightBefore, inFlight);
    if (!this.#wedged && this.#pilesUp()) this.#judge();
    this.#schedule();
  }

  #judge(): void {
    const { progress } = this.#worker;
    const nowMs = this.#dependencies.clock.monotonicMs();
    const limitMs = Math.min(
      Math.max(MAX_LIMIT_MS, this.#limitMs),
      this.#limitMs + progress.pendingPromptTokens / PROMPT_TOKENS_PER_MS,
    );
    const silentMs = nowMs - this.#silentSinceMs;
    const frozenMs = this.#frozenSinceMs === undefined ? 0 : nowMs - this.#frozenSinceMs;
    if (silentMs >= limitMs && (progress.expecting > 0 || frozenMs >= limitMs)) {
      this.#suspect = true;
      this.#decide(true);
    } else if (silentMs >= limitMs / LOOKS) {
      this.#dependencies.askLoad(this.#worker);
    }
  }

  #pilesUp(): boolean {
    const waiting = this.#report?.waitingRequests;
    return (
      this.#suspect ||
      this.#worker.inFlight > this.#inFlightBefore ||
      (waiting !== undefined && this.#waitingBefore !== undefined && waiting > this.#waitingBefore)
    );
  }

  #beginSilence(): void {
    this.#silentSinceMs = this.#dependencies.clock.monotonicMs();
    this.#inFlightBefore = this.#worker.inFlight;
    this.#waitingBefore = undefined;
    this.#report = undefined;
    this.#frozenSinceMs = undefined;
  }

  #decide(wedged: boolean): void {
    if (wedged === this.#wedged) return;
    this.#wedged = wedged;
    this.#worker.progress.awaited = wedged;
    this.#dependencies.onVerdict(wedged);
  }

  #schedule(): void {
    const pauseMs = Math.max(this.#limitMs / LOOKS, MIN_LOOK_MS);
    this.#timer = this.#dependencies.clock.setCoarseTimer(pauseMs, () => this.#look());
  }
}

/** Whether the engine has done something between two reports. A longer queue is only what others have done to it. */
function hasMoved(before: EngineLoad, now: EngineLoad): boolean {
  return (
    now.usedTokens !== before.usedTokens ||
    now.tokenUsage !== before.tokenUsage ||
    now.runningRequests !== before.runningRequests ||
    isLess(now.waitingRequests, before.waitingRequests) ||
    isLess(now.waitingUncachedTokens, before.waitingUncachedTokens)
  );
}

function isLess(now: number | undefined, before: number | undefined): boolean {
  return now !== undefined && before !== undefined && now < before;
}
