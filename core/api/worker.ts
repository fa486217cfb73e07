import { createToken, type InjectionToken } from './injection.js';
import type { Priority } from './scalars.js';

/** Engine behind a worker; `external` is a cloud or any OpenAI-compatible server that is none of the others. */
export type WorkerRuntime = 'sglang' | 'vllm' | 'trtllm' | 'mlx' | 'external';
export type WorkerType = 'regular' | 'prefill' | 'decode';
/** `pending`: never seen healthy. `draining`: takes nothing new, finishes what it has. */
export type WorkerHealth = 'pending' | 'healthy' | 'unhealthy' | 'draining';

/**
 * One inference engine or provider endpoint, as the data plane sees it. Outlives config generations while its URL stays
 * configured: sockets, health and load belong to it.
 */
export interface Worker {
  /** Stable, public: 16 hex digits derived from the URL. Safe in answers; the URL is not. */
  readonly id: string;
  /** Base URL, no trailing slash. Never sent to clients. */
  readonly url: string;
  /** Name of the cluster that it serves. */
  readonly cluster: string;
  readonly runtime: WorkerRuntime;
  readonly workerType: WorkerType;
  /** `type` of the backend plugin that speaks to it. */
  readonly backend: string;
  /** Models it serves; empty means any. */
  readonly models: readonly string[];
  /** 0 to 100, higher first. Default 50. */
  readonly priority: Priority;
  /** Cost multiplier ≥ 0. Default 1. */
  readonly cost: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Bearer key of the worker itself, when it wants one. Secret: only the `credentials` filter reads it. */
  readonly apiKey: string | undefined;
  readonly health: WorkerHealth;
  /** True when a policy may choose it now: healthy, not draining. */
  readonly available: boolean;
  /** Requests that hold a {@link LoadHold} on it now. */
  readonly inFlight: number;
  /** Counts one request in until the hold is released; give the hold to the run's scope. */
  acquireLoad(): LoadHold;
  /** Outcome of an attempt, for passive health and (later) the circuit breaker. */
  recordOutcome(ok: boolean): void;
}

/** One request's share of a worker's load. `release` is idempotent. */
export interface LoadHold {
  readonly worker: Worker;
  release(): void;
}

/** Workers that serve the same models by the same rules. */
export interface Cluster {
  readonly name: string;
  /** Every member; the array is replaced, never mutated, when membership changes. */
  readonly workers: readonly Worker[];
  /** `type` of its policy. */
  readonly policy: string;
  readonly timeouts: UpstreamTimeouts;
  /** Whether a member serves (or may serve) this model; `undefined` asks whether any does without a name. */
  serves(model: string | undefined): boolean;
  /** Members that serve the model, available or not. Same array for the same model until membership changes. */
  candidates(model: string | undefined): readonly Worker[];
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
}

export const Clusters: InjectionToken<Clusters> = createToken('Clusters');
