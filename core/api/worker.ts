import { createToken, type InjectionToken } from './injection.js';
import type { Priority } from './scalars.js';
import type { UpstreamTls } from './upstream.js';
import type { WORKER_RUNTIMES } from './worker-fields.js';

/**
 * What stands behind a worker: an engine; `generic`, a server that speaks OpenAI's API and is none of them; `external`, a
 * cloud provider.
 */
export type WorkerRuntime = (typeof WORKER_RUNTIMES)[number];
/**
 * What becomes of a provider key that a caller brings: `allow`, it goes before the worker's own; `require`, nothing goes out
 * without one; `deny`, only the worker's own key is used.
 */
export type ByokMode = 'allow' | 'require' | 'deny';
export type WorkerType = 'regular' | 'prefill' | 'decode';
/**
 * `pending`: never seen healthy. `failed`: it has not come up, or back, for longer than its limits; tried on at a slow pace.
 * `draining`: takes nothing new, finishes what it has.
 */
export type WorkerHealth = 'pending' | 'healthy' | 'unhealthy' | 'failed' | 'draining';

/** What is known of one model of a worker. */
export interface ModelCard {
  /** The canonical name. */
  readonly id: string;
  readonly displayName?: string;
  /** Other names under which it may be asked for; not listed. */
  readonly aliases?: readonly string[];
  /** Tokens, prompt and answer together. */
  readonly contextLength?: number;
  /** Any of chat, completions, responses, embeddings, rerank, generate, vision, tools, reasoning, image_gen, audio, moderation. */
  readonly capabilities?: readonly string[];
  readonly architectures?: readonly string[];
  /** `model_type` of its Hugging Face config. */
  readonly hfModelType?: string;
  readonly tokenizerPath?: string;
  /** Model that this adapter belongs to. */
  readonly parent?: string;
  /** Whose model it is, where the name tells. */
  readonly provider?: string;
}

/**
 * One inference engine or provider endpoint, as the data plane sees it. Outlives config generations while its URL stays
 * configured: sockets, health and load belong to it.
 */
export interface Worker {
  /** Stable, public: a UUID derived from cluster, role and URL, equal on every gateway. Safe in answers; the URL is not. */
  readonly id: string;
  /** Base URL, no trailing slash. Never sent to clients. */
  readonly url: string;
  /** Name of the cluster that it serves. */
  readonly cluster: string;
  readonly runtime: WorkerRuntime;
  /** Whose cloud API it is, in canonical spelling; undefined for engines. An `external` worker without one speaks OpenAI's. */
  readonly provider: string | undefined;
  readonly byok: ByokMode;
  readonly workerType: WorkerType;
  /** `type` of the backend plugin that speaks to it. */
  readonly backend: string;
  /** Models it serves; empty means any. */
  readonly models: readonly string[];
  /** What is known of {@link models}, in the same order. Absent: nothing but the names. */
  readonly cards?: readonly ModelCard[];
  /** Workers of a higher priority are used first, while they have room. Default 50. */
  readonly priority: Priority;
  /** Relative cost of a request, > 0. Default 1. Divides the worker's {@link share}; breaks ties between equal loads. */
  readonly cost: number;
  /**
   * Part of the traffic that it should get beside workers of the same priority, > 0: `weight / cost`, less while it warms
   * up after a failure. Only ratios count.
   */
  readonly share: number;
  /** Requests in flight from which on workers of a lower priority are used; Infinity when not known. */
  readonly maxInFlight: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Bearer key of the worker itself, when it wants one. Secret: only the `credentials` filter reads it. */
  readonly apiKey: string | undefined;
  /** How it is spoken to over TLS: whoever sends to it hands this on in {@link UpstreamRequest.tls}. */
  readonly tls?: UpstreamTls | undefined;
  readonly health: WorkerHealth;
  /** True when a policy may choose it now: healthy, and nothing else speaks against it. */
  readonly available: boolean;
  /** Its own reports say that it has more work than it can take; chosen only when all are so. */
  readonly overloaded: boolean;
  /** Requests that hold a {@link LoadHold} on it now. */
  readonly inFlight: number;
  /**
   * Counts one request in until the hold is released; give the hold to the run's scope. `owner` is told when the worker
   * is removed and waits no longer for its requests. `work`: what is known of the request.
   */
  acquireLoad(owner?: LoadOwner, work?: RequestWork): LoadHold;
  /** Last report of its engine about itself; undefined before the first, and when it stopped reporting. */
  readonly engineLoad: EngineLoad | undefined;
  /**
   * It broke a connection and has not been heard since, or requests hang on it; chosen only when nothing better is left.
   */
  readonly inDoubt: boolean;
  /** What an answer's status says about the worker. */
  judge(status: number): StatusVerdict;
  /** The worker has sent something. Free, so call it for every piece of an answer. */
  recordContact(): void;
  /** A good answer has begun. `startedMs`: begin of the attempt, monotonic. */
  recordAnswering(startedMs: number): void;
  /**
   * Outcome of an attempt, for passive health and the circuit breaker: a failure as soon as it is known, a success when the
   * answer was seen to its end. At most once per attempt, at most one failure per request; never for what the client or a
   * limit of the gateway ended.
   */
  recordOutcome(outcome: AttemptOutcome, startedMs: number): void;
}

/** `transport_failure`: no answer, or one that broke off. */
export type AttemptOutcome = 'success' | 'failure' | 'transport_failure';
/** `neutral`: it is full, which speaks neither for nor against it. */
export type StatusVerdict = 'success' | 'failure' | 'neutral';

/** Load of one data-parallel rank as its engine reports it. Undefined: not reported, which is not 0. */
export interface EngineRankLoad {
  readonly dpRank: number;
  readonly numRunningReqs: number | undefined;
  readonly numWaitingReqs: number | undefined;
  /** Prompt tokens of waiting requests that are not in the prefix cache. */
  readonly numWaitingUncachedTokens: number | undefined;
  readonly numTotalReqs: number | undefined;
  readonly numUsedTokens: number | undefined;
  readonly maxTotalNumTokens: number | undefined;
  readonly maxRunningRequests: number | undefined;
  /** Share of KV memory in use, 0 to 1. */
  readonly tokenUsage: number | undefined;
  /** Tokens per second. */
  readonly genThroughput: number | undefined;
  /** 0 to 1. */
  readonly cacheHitRate: number | undefined;
  readonly utilization: number | undefined;
  readonly kvTransferLatencyMs: number | undefined;
  readonly kvTransferSpeedGbS: number | undefined;
  readonly prefillQueueReqs: number | undefined;
  readonly decodeQueueReqs: number | undefined;
  readonly disaggMode: string | undefined;
}

/** One report of an engine. Frozen; replaced by the next. */
export interface EngineLoad {
  /** When it was received: monotonic ms. */
  readonly receivedMs: number;
  /** The same on the wall clock, ms. */
  readonly timestampMs: number;
  /** Version that the engine states; undefined when it states none. */
  readonly version: string | undefined;
  /** At least one. */
  readonly ranks: readonly EngineRankLoad[];
  /** Mean over the ranks that report it. */
  readonly tokenUsage: number | undefined;
  /** Sums over the ranks that report it. */
  readonly runningRequests: number | undefined;
  readonly waitingRequests: number | undefined;
  readonly waitingUncachedTokens: number | undefined;
  readonly genThroughput: number | undefined;
  /** Undefined where no rank states how many it has room for. */
  readonly usedTokens: number | undefined;
  readonly maxTotalTokens: number | undefined;
  /** {@link Worker.inFlight} when it was received: what has changed since is known better here. */
  readonly ownInFlight: number;
}

/** What is known of a request before it is sent. */
export interface RequestWork {
  /** Tokens of its prompt, estimated, ≥ 1. */
  readonly promptTokens: number;
  /** Whether its answer comes piece by piece. */
  readonly streams: boolean;
}

/** To be told how the answer to one request comes along. Free, so tell it of every piece. */
export interface AnswerProgress {
  /** A piece of the answer's body, or its end, has come. Says {@link Worker.recordContact}, too. */
  onPiece(): void;
  /** The answer is not read for now, because its client is slow; or it is read again. */
  onPaused(paused: boolean): void;
}

/** Who holds a share of a worker's load. */
export interface LoadOwner {
  /** The worker goes now: end the attempt, and with it the hold. */
  onWorkerCut(): void;
}

/** One request's share of a worker's load. `release` is idempotent. */
export interface LoadHold {
  readonly worker: Worker;
  /** Data-parallel rank of the engine that is to compute the request; undefined where the engine decides. */
  readonly dpRank?: number | undefined;
  /** Absent: nobody watches how the answer comes along. */
  readonly answer?: AnswerProgress;
  release(): void;
}

/** Workers of one priority that may be chosen now; never empty. */
export interface WorkerTier {
  readonly priority: Priority;
  readonly workers: readonly Worker[];
  /** Whether some of them have a {@link Worker.maxInFlight}. */
  readonly capped: boolean;
}

/** What a request for one model can be given to at this moment. */
export interface Selectable {
  /** Highest priority first. */
  readonly tiers: readonly WorkerTier[];
  /** Available members that are overloaded: chosen when there is no tier. */
  readonly overloaded: readonly Worker[];
  /** Available members that have fallen silent: the last resort. */
  readonly inDoubt: readonly Worker[];
}

/** Workers that serve the same models by the same rules. */
export interface Cluster {
  readonly name: string;
  /** Every member; the array is replaced, never mutated, when membership changes. */
  readonly workers: readonly Worker[];
  /** `type` of its policy. */
  readonly policy: string;
  readonly timeouts: UpstreamTimeouts;
  /** Wait that a client is told when all workers are overloaded and none is to take its request, ms; undefined: one takes it. */
  readonly shedRetryAfterMs: number | undefined;
  /** Whether a member serves (or may serve) this model; `undefined` asks whether any does without a name. */
  serves(model: string | undefined): boolean;
  /** Members that serve the model, available or not. Same array for the same model until membership changes. */
  candidates(model: string | undefined): readonly Worker[];
  /**
   * Those of the candidates that may be chosen now. Lists keep their identity until something about them changes, so that
   * policies may key their state by them.
   */
  selectable(model: string | undefined): Selectable;
  /**
   * The name under which self-hosted members know a model that was asked for by an alias of theirs; any other name comes
   * back as it is, a provider's alias too. A canonical name shadows an equal alias. Absent: no aliases here.
   */
  canonicalModel?(model: string): string;
}

/** All in milliseconds; 0 switches one off. */
export interface UpstreamTimeouts {
  /** TCP and TLS set-up. Default 10 s. */
  readonly connectMs: number;
  /** From the last request byte to the response head. Default 2 min. */
  readonly firstByteMs: number;
  /** Between two response bytes. Default 5 min. */
  readonly idleMs: number;
  /** Whole request with all its attempts. Default 30 min. */
  readonly requestMs: number;
}

/** The clusters of one config generation. */
export interface Clusters {
  get(name: string): Cluster | undefined;
  /** In file order. */
  list(): readonly Cluster[];
  /** First cluster, in file order, that serves the model. */
  forModel(model: string | undefined): Cluster | undefined;
  /** Whether a worker of any cluster names this model as canonical: such a name is no alias. Absent: not known. */
  hasModel?(model: string): boolean;
}

export const Clusters: InjectionToken<Clusters> = createToken('Clusters');
