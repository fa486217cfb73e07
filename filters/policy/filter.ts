import {
  type Attempt,
  BugError,
  type Cluster,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  type InferenceRequest,
  type LoadOwner,
  type PolicyContext,
  type RequestHeaders,
  type RequestWork,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Worker,
} from '../../core/api/index.js';
import { candidatesOf } from './candidates.js';
import type { PolicyFilterConfig } from './config.js';

/** What a client is told to wait when no worker can take its request; health may have changed by then. */
const RETRY_AFTER_MS = 1_000;

/** Of a request body, JSON around the prompt included. */
const BYTES_PER_TOKEN = 4;

/** A longer name is cut in messages. */
const MAX_SHOWN_NAME = 100;

/**
 * Chooses the worker of one attempt, counts the attempt as load of that worker until the run ends, and opens the
 * attempt's record. What became of the attempt is written into the record by the filter that talks to the worker.
 */
export class PolicyFilter implements StreamFilter, LoadOwner {
  readonly #shared: PolicyFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;
  #headers: RequestHeaders | undefined = undefined;
  #attempt: Attempt | undefined = undefined;

  constructor(shared: PolicyFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  /** A request with a body is chosen for when it is here: policies want to see it. */
  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    if (!endStream) {
      this.#headers = headers;
      return FilterHeadersStatus.StopIteration;
    }
    return this.#choose(headers, undefined) ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    const chosen = this.#choose(this.#headers as RequestHeaders, request);
    return chosen ? FilterTrailersStatus.Continue : FilterTrailersStatus.StopIteration;
  }

  onStreamComplete(): void {
    if (this.#attempt !== undefined) this.#attempt.endedMs = this.#shared.clock.monotonicMs();
  }

  /** Another attempt may follow where nothing of the answer has gone out. */
  onWorkerCut(): void {
    const message = 'The worker was removed before the request was done';
    this.#callbacks.sendLocalReply(new GatewayError('upstream_reset', message, { details: 'worker_removed' }));
  }

  /** False after a local reply. */
  #choose(headers: RequestHeaders, request: InferenceRequest | undefined): boolean {
    const cluster = this.#callbacks.run.cluster;
    if (cluster === undefined) throw new BugError('policy: no filter above has chosen a cluster');
    const model = request?.model;
    const selectable = cluster.selectable(model);
    if (cluster.shedRetryAfterMs !== undefined && selectable.tiers.length === 0 && selectable.overloaded.length > 0) {
      this.#shared.shed.inc();
      this.#callbacks.sendLocalReply(createShedError(cluster.shedRetryAfterMs));
      return false;
    }
    const candidates = candidatesOf(selectable, this.#callbacks.streamInfo.attempts);
    if (candidates[0]?.inDoubt === true) this.#shared.livenessFallbacks.inc();
    if (candidates.length === 0) {
      this.#callbacks.sendLocalReply(createNoWorkerError(cluster.candidates(model), model));
      return false;
    }
    this.#take(cluster, candidates, { headers, request, model });
    return true;
  }

  #take(cluster: Cluster, candidates: readonly Worker[], context: PolicyContext): void {
    const { run, scope, streamInfo } = this.#callbacks;
    const policy = this.#shared.policyOf(cluster);
    const worker = policy.pick(candidates, context);
    this.#shared.countSelection(cluster, policy, worker, context.model);
    const hold = worker.acquireLoad(this, context.request === undefined ? undefined : workOf(context.request));
    scope.own(hold);
    const startedMs = this.#shared.clock.monotonicMs();
    const { dpRank, answer } = hold;
    const attempt: Attempt = {
      worker,
      dpRank,
      answer,
      status: 0,
      error: undefined,
      model: context.model,
      usage: undefined,
      startedMs,
      endedMs: 0,
    };
    streamInfo.attempts.push(attempt);
    run.worker = worker;
    run.attempt = attempt;
    this.#attempt = attempt;
  }
}

/** Its bytes stand for its tokens, which nobody has counted. */
function workOf(request: InferenceRequest): RequestWork {
  return { promptTokens: Math.ceil(request.bytes().length / BYTES_PER_TOKEN) || 1, streams: request.stream };
}

function createShedError(retryAfterMs: number): GatewayError {
  const message = 'All workers that could take this request have more work than they can do';
  return new GatewayError('worker_overload_protection_shed', message, { retryAfterMs });
}

function createNoWorkerError(serving: readonly Worker[], model: string | undefined): GatewayError {
  if (serving.length === 0 && model !== undefined) {
    const shown = model.length > MAX_SHOWN_NAME ? `${model.slice(0, MAX_SHOWN_NAME)}…` : model;
    return new GatewayError('model_not_found', `No worker serves the model '${shown}'`, { param: 'model' });
  }
  const message = 'No worker can take this request now: all that could are unhealthy, failing or draining';
  return new GatewayError('no_available_workers', message, { retryAfterMs: RETRY_AFTER_MS });
}
