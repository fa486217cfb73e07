import type { Priority } from '../api/scalars.js';
import type { ByokMode, ModelCard, UpstreamTimeouts, WorkerRuntime, WorkerType } from '../api/worker.js';
import type { ProtectionSettings } from './protection-settings.js';
import type { RankScheduler } from './rank-loads.js';
import type { UpstreamTlsSettings } from './upstream-tls.js';

/** How a worker is probed. */
export interface HealthCheckSettings {
  /** Off: the worker counts as healthy from the start. The right choice for cloud APIs, which have no probe path. */
  readonly enabled: boolean;
  /** Appended to the base URL without a final `/v1`; any 2xx is a success. */
  readonly path: string;
  /** Between two probes of a healthy worker, ms, give or take a tenth. Others are probed sooner. */
  readonly intervalMs: number;
  /** Limit of one probe, ms. */
  readonly timeoutMs: number;
  /** Consecutive failures after which a healthy worker is unhealthy; failed requests count too, once a probe agrees. */
  readonly unhealthyAfter: number;
  /** Consecutive successes after which an unhealthy worker is healthy again. A new worker needs one. */
  readonly healthyAfter: number;
}

/** Every 10 s within 5 s on `/health`; out after 3 failures, back after 2 successes. */
export const DEFAULT_HEALTH_CHECK: HealthCheckSettings = {
  enabled: true,
  path: '/health',
  intervalMs: 10_000,
  timeoutMs: 5_000,
  unhealthyAfter: 3,
  healthyAfter: 2,
};

/** How a worker that is new is waited for. */
export interface StartupSettings {
  /** Time in which it is to come up, ms from its first check, > 0; then it is failed, and tried on at a slow pace. */
  readonly timeoutMs: number;
  /** Before its first check, ms. */
  readonly delayMs: number;
  /**
   * Longest pause between two checks until it has come up, ms. Undefined: 5 s, or the interval of probes where that is
   * shorter; up to a minute for one that answers but does not tell what it is.
   */
  readonly checkEveryMs: number | undefined;
}

/** Half an hour, checked at once. */
export const DEFAULT_STARTUP: StartupSettings = { timeoutMs: 1_800_000, delayMs: 0, checkEveryMs: undefined };

/** Connections to one origin. */
export interface PoolSettings {
  /** Open at once, those being opened included. */
  readonly maxConnections: number;
  /** Requests that may wait for one of them; more are refused as `overloaded`. */
  readonly maxWaiting: number;
  /** How long an unused connection is kept, ms; shorter than the worker keeps it, so that it is seldom stale. */
  readonly idleMs: number;
}

/** 500 connections, 1,000 waiting, 3 s idle (common engines close after 5 s). */
export const DEFAULT_POOL: PoolSettings = { maxConnections: 500, maxWaiting: 1_000, idleMs: 3_000 };

/** How a worker that nobody names any more goes. What was in force when that began is followed to the end. */
export interface DrainSettings {
  /** Time for which one that was healthy is at least shown as draining, ms. */
  readonly settleMs: number;
  /** From then on its last requests are cut, ms from the beginning of the drain; 0: they may finish, however long. */
  readonly timeoutMs: number;
}

/** Gone with its last request. */
export const DEFAULT_DRAIN: DrainSettings = { settleMs: 0, timeoutMs: 0 };

/** Who wants a set of workers: a config generation, a discovery, the admin API. Compared with ===. */
export type WorkerSource = symbol | object | string;

/** The defaults that {@link UpstreamTimeouts} states. */
export const DEFAULT_TIMEOUTS: UpstreamTimeouts = {
  connectMs: 10_000,
  firstByteMs: 120_000,
  idleMs: 300_000,
  requestMs: 1_800_000,
};

/** What makes a worker that worker. */
export type WorkerIdentity = Pick<WorkerSpec, 'cluster' | 'workerType' | 'url'>;

/** One worker as a config generation wants it. Complete: whoever makes one has applied the defaults. */
export interface WorkerSpec {
  /** Base URL, `http:` or `https:`, no trailing slash; may have a path. */
  readonly url: string;
  readonly cluster: string;
  /** Undefined: detected once the worker is up, `generic` until then. */
  readonly runtime: WorkerRuntime | undefined;
  /** Canonical. Undefined: an external worker's host tells. */
  readonly provider?: string | undefined;
  /** Default allow. */
  readonly byok?: ByokMode | undefined;
  /** For its list of models, where another key than `apiKey` reads that. Secret. */
  readonly listKey?: string | undefined;
  readonly workerType: WorkerType;
  /** `type` of the backend plugin that speaks to it. Undefined: by its runtime. */
  readonly backend: string | undefined;
  /** Empty: asked for once the worker is up, which is not used before it has told. */
  readonly models: readonly string[];
  /** What is stated about some of `models`, beside their names. */
  readonly cards?: readonly ModelCard[];
  readonly priority: Priority;
  /** > 0. */
  readonly cost: number;
  /** Share relative to its neighbours, > 0. */
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Secret. */
  readonly apiKey: string | undefined;
  readonly health: HealthCheckSettings;
  readonly startup: StartupSettings;
  readonly pool: PoolSettings;
  /** For `https:` workers; undefined: the authorities that Node knows, no client certificate. */
  readonly tls?: UpstreamTlsSettings | undefined;
  readonly drain: DrainSettings;
  /** Whether it is removed when it has failed, and others serve what it did. Default: it is tried on, for ever. */
  readonly removeFailed?: boolean;
  /** Chooses the data-parallel rank of an engine that has several (label `dp_size`). Default: the engine does. */
  readonly dpAware?: boolean;
  /** By what it chooses. Default requests in flight. */
  readonly dpScheduler?: RankScheduler | undefined;
  /** Undefined: `DEFAULT_PROTECTION`. */
  readonly protection?: ProtectionSettings | undefined;
}

/** One cluster as a config generation wants it, without its workers. */
export interface ClusterSpec {
  readonly name: string;
  /** `type` of its policy. */
  readonly policy: string;
  readonly timeouts: UpstreamTimeouts;
  /** See {@link Cluster.shedRetryAfterMs}. */
  readonly shedRetryAfterMs?: number | undefined;
}
