import * as z from 'zod';
import type {
  Clock,
  Cluster,
  Counter,
  Family,
  Policies,
  Policy,
  StatsScope,
  Worker,
  WorkerType,
} from '../../core/api/index.js';

/** The policy itself is configured with its cluster; the filter has no settings of its own. */
export const configSchema = z.strictObject({});

/** Label of models that no worker names: clients invent those, and a label must not grow with them. */
const UNNAMED_MODEL = 'unknown';

/** What the runs of one generation share. */
export class PolicyFilterConfig {
  readonly clock: Clock;
  /** Requests that were turned away because all workers are overloaded. */
  readonly shed: Counter;
  /** Requests that went to a worker that has fallen silent, because all have. */
  readonly livenessFallbacks: Counter;
  readonly #policies: Policies;
  readonly #selections: Family<Counter>;
  readonly #counters = new Map<Policy, SelectionCounters>();

  constructor(policies: Policies, clock: Clock, stats: StatsScope) {
    this.#policies = policies;
    this.clock = clock;
    this.shed = stats
      .counter({
        name: 'smg_worker_overload_shed_total',
        help: 'Requests turned away because all workers that could take them are overloaded',
        labels: ['stage'],
      })
      .with('selection');
    this.livenessFallbacks = stats
      .counter({
        name: 'smg_worker_liveness_fallback_total',
        help: 'Choices among workers that have fallen silent, because there were no others',
      })
      .with();
    this.#selections = stats.counter({
      name: 'smg_worker_selection_total',
      help: 'Workers chosen, one per attempt',
      labels: ['worker_type', 'connection_mode', 'model', 'policy'],
    });
  }

  policyOf(cluster: Cluster): Policy {
    return this.#policies.forCluster(cluster);
  }

  /** Counts one choice. */
  countSelection(cluster: Cluster, policy: Policy, worker: Worker, model: string | undefined): void {
    let counters = this.#counters.get(policy);
    if (counters === undefined) {
      counters = new SelectionCounters(this.#selections, cluster.policy);
      this.#counters.set(policy, counters);
    }
    counters.count(worker, model);
  }
}

/** Bound series of one policy instance: as many as its cluster's workers name models. */
class SelectionCounters {
  readonly #family: Family<Counter>;
  readonly #policyType: string;
  readonly #http = new Map<WorkerType, Map<string, Counter>>();
  readonly #grpc = new Map<WorkerType, Map<string, Counter>>();

  constructor(family: Family<Counter>, policyType: string) {
    this.#family = family;
    this.#policyType = policyType;
  }

  count(worker: Worker, model: string | undefined): void {
    const isGrpc = worker.url.startsWith('grpc');
    const byWorkerType = isGrpc ? this.#grpc : this.#http;
    let byModel = byWorkerType.get(worker.workerType);
    if (byModel === undefined) {
      byModel = new Map();
      byWorkerType.set(worker.workerType, byModel);
    }
    const label = model !== undefined && worker.models.includes(model) ? model : UNNAMED_MODEL;
    let counter = byModel.get(label);
    if (counter === undefined) {
      counter = this.#family.with(worker.workerType, isGrpc ? 'grpc' : 'http', label, this.#policyType);
      byModel.set(label, counter);
    }
    counter.inc();
  }
}
