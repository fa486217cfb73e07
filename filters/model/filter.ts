import {
  BugError,
  FilterHeadersStatus,
  GatewayError,
  type RequestHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { ModelFilterConfig, Route } from './config.js';

/**
 * Finds who serves a request: resolves the alias, takes the first route that matches, else the first cluster that has
 * the model. Done when the headers come, which is after the body was read, so that every filter below finds the cluster.
 */
export class ModelFilter implements StreamFilter {
  readonly #shared: ModelFilterConfig;
  readonly #callbacks: StreamFilterCallbacks;

  constructor(shared: ModelFilterConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { streamInfo, run } = this.#callbacks;
    const request = streamInfo.inference;
    if (request === undefined) throw new BugError('the model filter needs the request that inference reads');
    const named = request.requestedModel;
    const { clusters } = this.#shared;
    if (named !== undefined) {
      const canonical = this.#shared.aliases.get(named);
      // A model that is really there goes before an alias of the same name.
      if (canonical !== undefined && clusters.hasModel?.(named) !== true) request.setModel(canonical);
    }

    let { model } = request;
    const route = this.#route(headers);
    const cluster = route === undefined ? clusters.forModel(model) : route.cluster;
    if (cluster === undefined || !(cluster.serves(model) || route?.mayLackModel === true)) {
      this.#callbacks.sendLocalReply(notServed(named));
      return FilterHeadersStatus.StopIteration;
    }
    if (model !== undefined && cluster.canonicalModel !== undefined) {
      const canonical = cluster.canonicalModel(model);
      if (canonical !== model) {
        model = canonical;
        request.setModel(canonical);
      }
    }
    run.cluster = cluster;
    streamInfo.route = route?.name;
    const timeouts = route === undefined ? cluster.timeouts : route.timeouts;
    const { requestMs } = timeouts;
    run.timeouts = timeouts;
    run.routeTimeouts = route?.ownTimeouts;
    streamInfo.deadlineMs = requestMs === 0 ? 0 : this.#shared.clock.monotonicMs() + requestMs;
    return FilterHeadersStatus.Continue;
  }

  #route(headers: RequestHeaders): Route | undefined {
    const { streamInfo } = this.#callbacks;
    for (const route of this.#shared.routes) {
      if (route.match.takes(streamInfo, headers, streamInfo.inference)) return route;
    }
    return undefined;
  }
}

/** Named as the client did: what an alias stands for is ours to know. */
function notServed(model: string | undefined): GatewayError {
  if (model === undefined) {
    return new GatewayError('no_available_workers', 'No worker is configured that could serve this request', {
      details: 'no_cluster',
    });
  }
  const shown = model.length > 100 ? `${model.slice(0, 100)}…` : model;
  return new GatewayError('model_not_found', `The model \`${shown}\` does not exist or you do not have access to it.`, {
    param: 'model',
  });
}
