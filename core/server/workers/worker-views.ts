import type { WorkerHealth } from '../../api/worker.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import { describeEngineLoad } from '../engine-load-json.js';
import { describeModelCard } from '../model-card-json.js';
import type { JobView } from './worker-jobs.js';
import type { WorkerRecord } from './worker-record.js';

/** SMG's names of states. */
const STATUS: Readonly<Record<WorkerHealth, string>> = {
  pending: 'pending',
  healthy: 'ready',
  unhealthy: 'not_ready',
  failed: 'failed',
  draining: 'draining',
};

/** A worker as the admin API shows it: SMG's fields and ours, never the key. */
export function workerView(worker: ManagedWorker, record: WorkerRecord | undefined, job?: JobView): object {
  const [model] = worker.models;
  return {
    id: worker.id,
    ...(model === undefined ? {} : { model_id: model }),
    url: worker.url,
    cluster: worker.cluster,
    models: worker.cards.map((card) => ({
      ...describeModelCard(card),
      ...record?.models.find((stated) => stated.id === card.id),
    })),
    worker_type: worker.workerType,
    connection_mode: 'http',
    runtime_type: worker.runtime,
    runtime: worker.runtime,
    ...(worker.provider === undefined ? {} : { provider: worker.provider }),
    backend: worker.backend,
    labels: worker.labels,
    priority: worker.priority,
    cost: worker.cost,
    weight: worker.weight,
    ...(record?.health === undefined ? {} : { health: record.health }),
    ...(record?.http_pool === undefined ? {} : { http_pool: record.http_pool }),
    ...(record?.resilience === undefined ? {} : { resilience: record.resilience }),
    ...(record?.overload === undefined ? {} : { overload: record.overload }),
    ...(record?.load_monitor_interval_secs === undefined
      ? {}
      : { load_monitor_interval_secs: record.load_monitor_interval_secs }),
    is_healthy: worker.health === 'healthy',
    status: STATUS[worker.health],
    ...(worker.healthReason === '' ? {} : { status_reason: worker.healthReason }),
    available: worker.available,
    load: worker.inFlight,
    ...(worker.engineLoad === undefined ? {} : { engine_load: describeEngineLoad(worker.engineLoad) }),
    overloaded: worker.overloaded,
    has_api_key: worker.apiKey !== undefined,
    source: record === undefined ? 'config' : 'api',
    ...(job === undefined ? {} : { job_status: job }),
  };
}

/** What `?status=` may ask for. */
export function statusOf(worker: ManagedWorker): string {
  return STATUS[worker.health];
}

/** Under its name or an alias; a worker that names no model takes any. */
export function servesModel({ models, cards }: ManagedWorker, model: string): boolean {
  return models.length === 0 || cards.some((card) => card.id === model || card.aliases?.includes(model) === true);
}
