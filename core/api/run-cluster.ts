import type { RunInfo } from './filter.js';
import type { InferenceRequest } from './inference.js';
import type { Cluster, UpstreamTimeouts } from './worker.js';

/** Time limits of a cluster with those laid over them that a route states. */
export function timeoutsOf(cluster: Cluster, own: Partial<UpstreamTimeouts> | undefined): UpstreamTimeouts {
  return own === undefined ? cluster.timeouts : { ...cluster.timeouts, ...own };
}

/** Sends a run to another cluster than the one that `model` chose: with its time limits and its name of the model. */
export function enterCluster(run: RunInfo, cluster: Cluster, request: InferenceRequest | undefined): void {
  run.cluster = cluster;
  run.timeouts = timeoutsOf(cluster, run.routeTimeouts);
  nameModelFor(cluster, request);
}

/** Puts the name by which a cluster's own workers know the model in place of an alias of theirs. */
export function nameModelFor(cluster: Cluster, request: InferenceRequest | undefined): void {
  const model = request?.model;
  if (model !== undefined) request?.setModel(cluster.canonicalModel?.(model) ?? model);
}
