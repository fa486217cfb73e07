import type { RequestHeaders } from './headers.js';
import type { InferenceRequest } from './inference.js';
import { createToken, type InjectionToken } from './injection.js';
import type { Cluster, Worker } from './worker.js';

/** What a policy may know of a request. */
export interface PolicyContext {
  readonly headers: RequestHeaders;
  readonly request: InferenceRequest | undefined;
  readonly model: string | undefined;
}

/**
 * Chooses the worker. Synchronous, no I/O; owns its state within a stated bound. One instance per cluster and
 * generation. Never called with an empty list; every candidate is available and, where the request has failed before,
 * untried ones only (unless none is left).
 */
export interface Policy {
  pick(candidates: readonly Worker[], context: PolicyContext): Worker;
}

/** Policies of the generation, one instance per cluster. */
export interface Policies {
  forCluster(cluster: Cluster): Policy;
}

export const Policies: InjectionToken<Policies> = createToken('Policies');
