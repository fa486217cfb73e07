import { type BreakerSettings, DEFAULT_BREAKER } from './circuit-breaker.js';

/** Above which reports of its engine a worker gets no more requests; a signal without a limit says nothing. */
export interface OverloadSettings {
  /** Waiting requests, all ranks together, ≥ 1. */
  readonly waitingRequests: number | undefined;
  /** Share of KV memory in use, mean of the ranks, in (0, 1]. */
  readonly kvUsage: number | undefined;
}

/** How the load of a worker is learnt. */
export interface LoadSettings {
  /** Between two questions, ms, give or take a tenth. */
  readonly pollMs: number;
  /** Ask even where nothing in this gateway goes by the answer. */
  readonly always: boolean;
}

/** When silence alone takes a worker out, ms; 0 switches one off. */
export interface LivenessSettings {
  /** After a broken connection, without any sign of life. */
  readonly stallMs: number;
  /** Without a report, for a worker that used to report its load. */
  readonly staleMs: number;
  /** Without a piece of any answer, while requests pile up; longer by what their prompts take, up to 2 min. */
  readonly wedgeMs: number;
}

/** Everything that may keep requests from a worker beside its health. */
export interface ProtectionSettings {
  /** Undefined: none. */
  readonly breaker: BreakerSettings | undefined;
  /** Answers that count as failures of the worker. */
  readonly failureStatuses: readonly number[];
  /** Answers that say nothing about it: it is full. */
  readonly capacityStatuses: readonly number[];
  /** Undefined: none. */
  readonly overload: OverloadSettings | undefined;
  readonly load: LoadSettings;
  readonly liveness: LivenessSettings;
}

/** SMG's values: breaker on, 8 waiting requests, KV usage 0.8, polls every 10 s, stall 2 s, stale 15 s, wedge 3 s. */
export const DEFAULT_PROTECTION: ProtectionSettings = {
  breaker: DEFAULT_BREAKER,
  failureStatuses: [408, 500, 502, 503, 504],
  capacityStatuses: [429],
  overload: { waitingRequests: 8, kvUsage: 0.8 },
  load: { pollMs: 10_000, always: false },
  liveness: { stallMs: 2_000, staleMs: 15_000, wedgeMs: 3_000 },
};

/** SMG's `resilience` block of one worker; what is absent stays as the gateway has it. Values are checked already. */
export interface ResilienceOverrides {
  readonly cb_failure_threshold?: number | undefined;
  readonly cb_success_threshold?: number | undefined;
  readonly cb_timeout_secs?: number | undefined;
  readonly cb_window_secs?: number | undefined;
  readonly disable_circuit_breaker?: boolean | undefined;
  readonly retryable_status_codes?: readonly number[] | undefined;
  readonly capacity_status_codes?: readonly number[] | undefined;
}

/** SMG's `overload` block of one worker: each limit stands for the gateway's, and protects this worker alone where it has none. */
export interface OverloadOverrides {
  readonly waiting_requests?: number | undefined;
  readonly token_usage?: number | undefined;
}

/** The settings of a worker that brings some of its own. */
export function withOverrides(
  base: ProtectionSettings,
  resilience: ResilienceOverrides = {},
  overload: OverloadOverrides = {},
): ProtectionSettings {
  const breaker = base.breaker ?? DEFAULT_BREAKER;
  const wantsBreaker =
    base.breaker !== undefined ||
    resilience.cb_failure_threshold !== undefined ||
    resilience.disable_circuit_breaker === false;
  const waitingRequests = overload.waiting_requests ?? base.overload?.waitingRequests;
  const kvUsage = overload.token_usage ?? base.overload?.kvUsage;
  return {
    ...base,
    breaker:
      resilience.disable_circuit_breaker === true || !wantsBreaker
        ? undefined
        : {
            failures: resilience.cb_failure_threshold ?? breaker.failures,
            successes: resilience.cb_success_threshold ?? breaker.successes,
            openMs: (resilience.cb_timeout_secs ?? breaker.openMs / 1000) * 1000,
            windowMs: (resilience.cb_window_secs ?? breaker.windowMs / 1000) * 1000,
          },
    failureStatuses: resilience.retryable_status_codes ?? base.failureStatuses,
    capacityStatuses: resilience.capacity_status_codes ?? base.capacityStatuses,
    overload: waitingRequests === undefined && kvUsage === undefined ? undefined : { waitingRequests, kvUsage },
  };
}
