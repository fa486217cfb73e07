import { isDeepStrictEqual } from 'node:util';
import type { Gauge } from '../api/stats.js';
import type { UpstreamTls } from '../api/upstream.js';
import type {
  AttemptOutcome,
  ByokMode,
  EngineLoad,
  LoadHold,
  LoadOwner,
  ModelCard,
  RequestWork,
  StatusVerdict,
  Worker,
  WorkerHealth,
  WorkerRuntime,
  WorkerType,
} from '../api/worker.js';
import { DEFAULT_PROTECTION, type ProtectionSettings } from './protection-settings.js';
import { RankLoads } from './rank-loads.js';
import { RequestProgress } from './request-progress.js';
import { backendOf, cardsOf, maxInFlightOf, providerOf, ranksOf, shareOf, type WorkerFacts } from './worker-facts.js';
import { workerId } from './worker-identity.js';
import { WorkerLoadHold } from './worker-load-hold.js';
import type { RequestGuard, WorkerChange, WorkerObserver } from './worker-observer.js';
import type { DrainSettings, WorkerSpec } from './worker-spec.js';

/**
 * The process-wide record of one worker. Only its registry and health checker change it; the data plane sees it as
 * {@link Worker}. Secrets are kept where neither `JSON.stringify` nor `util.inspect` finds them.
 */
export class ManagedWorker implements Worker {
  readonly id: string;
  readonly url: string;
  readonly cluster: string;
  readonly workerType: WorkerType;
  // What follows is derived from the spec and from what was learnt.
  runtime: WorkerRuntime = 'generic';
  provider: string | undefined = undefined;
  byok: ByokMode = 'allow';
  backend = '';
  models: readonly string[] = [];
  cards: readonly ModelCard[] = [];
  priority = 0;
  cost = 1;
  /** Share relative to its neighbours, > 0. Default 1. */
  weight = 1;
  labels: Readonly<Record<string, string>> = {};
  share = 1;
  maxInFlight = Number.POSITIVE_INFINITY;
  drain: DrainSettings;
  health: WorkerHealth = 'pending';
  #healthReason = '';
  available = false;
  overloaded = false;
  inDoubt = false;
  #engineLoad: EngineLoad | undefined = undefined;
  /** What keeps requests from it; set while it is registered. */
  guard: RequestGuard | undefined = undefined;
  /** Its guard wants to know of the next sign of life. */
  awaitsContact = false;
  /** Whether there was one since that was last set to false. */
  heard = false;
  inFlight = 0;
  /** What its requests in flight show of it. */
  readonly progress = new RequestProgress();
  readonly #observer: WorkerObserver;
  readonly #loadGauge: Gauge | undefined;
  #spec: WorkerSpec;
  #facts: WorkerFacts | undefined = undefined;
  /** Its guard lets no request through. */
  #shut = false;
  #silent = false;
  #wedged = false;
  #lastHold: WorkerLoadHold | undefined = undefined;
  #ranks: RankLoads | undefined = undefined;
  #warmth = 1;

  /** `loadGauge` follows `inFlight`. */
  constructor(spec: WorkerSpec, observer: WorkerObserver, loadGauge: Gauge | undefined) {
    this.id = workerId(spec);
    this.url = spec.url;
    this.cluster = spec.cluster;
    this.workerType = spec.workerType;
    this.drain = spec.drain;
    this.#spec = spec;
    this.#observer = observer;
    this.#loadGauge = loadGauge;
    this.#derive();
  }

  get apiKey(): string | undefined {
    return this.#spec.apiKey;
  }

  get tls(): UpstreamTls | undefined {
    return this.#spec.tls;
  }

  /** Whether engine and models are certain: stated, or learnt at some time. */
  get known(): boolean {
    return this.#facts !== undefined || (this.#spec.runtime !== undefined && this.#spec.models.length > 0);
  }

  /** The spec that is in force. Holds the key: never log it. */
  spec(): WorkerSpec {
    return this.#spec;
  }

  acquireLoad(owner?: LoadOwner, work?: RequestWork): LoadHold {
    this.inFlight += 1;
    this.#loadGauge?.inc();
    const hold = new WorkerLoadHold(this, owner, this.#lastHold, this.guard?.onDispatch() ?? 0, this.#ranks, work);
    if (this.#lastHold !== undefined) this.#lastHold.next = hold;
    this.#lastHold = hold;
    return hold;
  }

  /** Called by the hold, once. */
  releaseLoad(hold: WorkerLoadHold): void {
    const { previous, next } = hold;
    if (previous !== undefined) previous.next = next;
    if (next !== undefined) next.previous = previous;
    else this.#lastHold = previous;
    hold.releaseRank();
    hold.previous = undefined;
    hold.next = undefined;
    this.inFlight -= 1;
    this.#loadGauge?.dec();
    this.guard?.onDone(hold.ticket);
    if (this.inFlight === 0) this.#observer.onWorkerIdle(this);
  }

  /** Tells every owner of a hold to end it now. */
  cut(): void {
    const owners: LoadOwner[] = [];
    for (let hold = this.#lastHold; hold !== undefined; hold = hold.previous) {
      if (hold.owner !== undefined) owners.push(hold.owner);
    }
    for (const owner of owners) owner.onWorkerCut();
  }

  get engineLoad(): EngineLoad | undefined {
    return this.#engineLoad;
  }

  /** What its engine last said of its load; undefined: that is no longer known. */
  setEngineLoad(load: EngineLoad | undefined): void {
    this.#engineLoad = load;
    this.#ranks?.observe(load);
    if (load !== undefined) this.guard?.onReport(load);
  }

  /** Something but protection goes by what its engine reports. */
  get needsLoad(): boolean {
    return this.#ranks?.scheduler === 'min_tokens';
  }

  get protection(): ProtectionSettings {
    return this.#spec.protection ?? DEFAULT_PROTECTION;
  }

  judge(status: number): StatusVerdict {
    const { failureStatuses, capacityStatuses } = this.protection;
    if (capacityStatuses.includes(status)) return 'neutral';
    return failureStatuses.includes(status) ? 'failure' : 'success';
  }

  recordContact(): void {
    if (this.awaitsContact) this.guard?.onContact();
  }

  recordAnswering(startedMs: number): void {
    this.guard?.onAnswering(startedMs);
  }

  recordOutcome(outcome: AttemptOutcome, startedMs: number): void {
    this.guard?.onOutcome(outcome, startedMs);
    this.#observer.onWorkerOutcome(this, outcome === 'success');
  }

  /** Takes over the fields of a newer spec of the same worker. */
  applySpec(spec: WorkerSpec): void {
    this.#spec = spec;
    this.#announce(this.#derive());
    this.#observer.onWorkerChange(this, 'settings', this.health);
  }

  /** Takes over what was learnt; what the spec states goes first. */
  applyFacts(facts: WorkerFacts): void {
    this.#facts = facts;
    this.#announce(this.#derive());
  }

  /**
   * Why the last attempt to probe it, or to learn about it, failed: `health: status 503`, `models: connect refused`; empty
   * while attempts succeed or none ran. No URL in it.
   */
  get healthReason(): string {
    return this.#healthReason;
  }

  set healthReason(reason: string) {
    if (reason === this.#healthReason) return;
    this.#healthReason = reason;
    if (reason !== '') this.#observer.onWorkerChange(this, 'reason', this.health);
  }

  setHealth(health: WorkerHealth): void {
    const previous = this.health;
    if (previous === health) return;
    this.health = health;
    this.available = health === 'healthy' && !this.#shut;
    this.#observer.onWorkerChange(this, 'health', previous);
  }

  /** Takes the worker out of selection, or lets it back in, as far as its guard is concerned. */
  setShut(shut: boolean): void {
    if (shut === this.#shut) return;
    this.#shut = shut;
    this.available = this.health === 'healthy' && !shut;
    this.#observer.onWorkerChange(this, 'selection', this.health);
  }

  get silent(): boolean {
    return this.#silent;
  }

  /** It is not heard any more; false: it was heard. */
  setSilent(silent: boolean): void {
    this.awaitsContact = silent;
    this.#silent = silent;
    this.#doubt();
  }

  /** Requests hang on it. */
  setWedged(wedged: boolean): void {
    this.#wedged = wedged;
    this.#doubt();
  }

  #doubt(): void {
    const inDoubt = this.#silent || this.#wedged;
    if (inDoubt === this.inDoubt) return;
    this.inDoubt = inDoubt;
    this.#observer.onWorkerChange(this, 'selection', this.health);
  }

  setOverloaded(overloaded: boolean): void {
    if (overloaded === this.overloaded) return;
    this.overloaded = overloaded;
    this.#observer.onWorkerChange(this, 'selection', this.health);
  }

  /** Part of its share that the worker gets, in (0, 1]; 1 when it has warmed up. */
  setWarmth(warmth: number): void {
    if (warmth === this.#warmth) return;
    this.#warmth = warmth;
    this.share = shareOf(this.#spec, warmth);
    this.#observer.onWorkerChange(this, 'selection', this.health);
  }

  /** Returns what of it others must be told; a new spec is told of in any case. */
  #derive(): 'models' | 'selection' | undefined {
    const spec = this.#spec;
    const facts = this.#facts;
    this.runtime = spec.runtime ?? facts?.runtime ?? 'generic';
    this.provider = providerOf(spec, this.runtime);
    this.byok = spec.byok ?? 'allow';
    this.backend = spec.backend ?? backendOf(this.runtime, this.provider);
    this.priority = spec.priority;
    this.cost = spec.cost;
    this.weight = spec.weight;
    this.drain = spec.drain;
    this.labels = { ...facts?.labels, ...spec.labels };
    this.share = shareOf(spec, this.#warmth);
    const ranks = spec.dpAware === true ? ranksOf(this.labels) : 1;
    const scheduler = spec.dpScheduler ?? 'min_requests';
    if (ranks !== (this.#ranks?.size ?? 1) || (ranks > 1 && scheduler !== this.#ranks?.scheduler)) {
      this.#ranks = ranks > 1 ? new RankLoads(ranks, scheduler) : undefined;
      this.#ranks?.observe(this.#engineLoad);
    }
    const maxInFlight = this.maxInFlight;
    this.maxInFlight = maxInFlightOf(this.labels);
    const cards = cardsOf(spec, facts);
    if (isDeepStrictEqual(cards, this.cards)) return maxInFlight === this.maxInFlight ? undefined : 'selection';
    this.cards = cards;
    this.models = cards.map((card) => card.id);
    return 'models';
  }

  #announce(change: WorkerChange | undefined): void {
    if (change !== undefined) this.#observer.onWorkerChange(this, change, this.health);
  }
}
