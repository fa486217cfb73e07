import {
  enterCluster,
  FilterHeadersStatus,
  type RequestHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { SplitFilterConfig } from './config.js';

/** Sends a request to one of several clusters by weight, in place of the one that `model` found. */
export class SplitFilter implements StreamFilter {
  readonly #shared: SplitFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;

  constructor(shared: SplitFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { run, streamInfo } = this.#callbacks;
    // Where a copy goes has been decided.
    if (streamInfo.mirrored) return FilterHeadersStatus.Continue;
    const { clock, sticky } = this.#shared;
    const key = sticky === undefined ? undefined : headers.get(sticky);
    const cluster = this.#shared.choose(key, streamInfo.inference?.model);
    if (cluster === undefined || cluster === run.cluster) return FilterHeadersStatus.Continue;
    enterCluster(run, cluster, streamInfo.inference);
    const requestMs = run.timeouts?.requestMs ?? 0;
    streamInfo.deadlineMs = requestMs === 0 ? 0 : clock.monotonicMs() + requestMs;
    return FilterHeadersStatus.Continue;
  }
}
