import type { EngineRankLoad } from '../api/worker.js';
import type { ManagedWorker } from '../cluster/worker.js';
import type { LocalEndpoint, LocalResponse } from '../http/local-endpoint.js';
import { describeRankLoad } from './engine-load-json.js';
import { servesModel } from './workers/worker-views.js';

/** What the load endpoints look at. */
export interface LoadSources {
  workers(): readonly ManagedWorker[];
  /** Of this gateway. */
  readonly version: string;
  /** Wall clock, ms. */
  nowMs(): number;
}

/**
 * What engines last reported of their load. Nothing is asked for: the load monitor's last reports are shown, and a worker
 * without one is absent. `/get_loads` is for administrators and names workers by URL; `/loads` is for whoever may ask for
 * inference (another gateway, for one) and names them by id, so that it tells nobody where workers are.
 */
export function loadEndpoints(sources: LoadSources): LocalEndpoint[] {
  return [
    {
      method: 'GET',
      path: '/get_loads',
      accessClass: 'control',
      handle: ({ query }) => loads(sources, query.get('model'), ({ url }) => url),
    },
    {
      method: 'GET',
      path: '/loads',
      accessClass: 'data',
      handle: ({ query }) => loads(sources, query.get('model'), ({ id }) => id),
    },
  ];
}

/** `model`: only workers that serve it, by name or alias, or any model; null or empty: all of them. */
function loads(sources: LoadSources, model: string | null, nameOf: (worker: ManagedWorker) => string): LocalResponse {
  const ranks: EngineRankLoad[] = [];
  const list: object[] = [];
  for (const worker of sources.workers()) {
    if (worker.engineLoad === undefined || (model && !servesModel(worker, model))) continue;
    for (const rank of worker.engineLoad.ranks) {
      ranks.push(rank);
      list.push({ worker: nameOf(worker), worker_type: worker.workerType, ...describeRankLoad(rank) });
    }
  }
  return {
    status: 200,
    body: {
      timestamp: new Date(sources.nowMs()).toISOString(),
      version: `smg-${sources.version}`,
      dp_rank_count: list.length,
      loads: list,
      ...(ranks.length === 0 ? {} : { aggregate: aggregate(ranks) }),
    },
  };
}

/** Sums and means over the ranks that report the number; absent where none does. */
function aggregate(ranks: readonly EngineRankLoad[]): object {
  return {
    total_running_reqs: sum(ranks, 'numRunningReqs'),
    total_waiting_reqs: sum(ranks, 'numWaitingReqs'),
    total_reqs: sum(ranks, 'numTotalReqs'),
    avg_token_usage: mean(ranks, 'tokenUsage'),
    avg_throughput: mean(ranks, 'genThroughput'),
    avg_utilization: mean(ranks, 'utilization'),
  };
}

type NumberField = Exclude<keyof EngineRankLoad, 'disaggMode'>;

function sum(ranks: readonly EngineRankLoad[], field: NumberField): number | undefined {
  const values = ranks.flatMap((rank) => rank[field] ?? []);
  return values.length === 0 ? undefined : values.reduce((total, value) => total + value, 0);
}

function mean(ranks: readonly EngineRankLoad[], field: NumberField): number | undefined {
  const total = sum(ranks, field);
  return total === undefined ? undefined : total / ranks.filter((rank) => rank[field] !== undefined).length;
}
