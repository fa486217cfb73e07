import type { WorkerHealth } from '../../api/worker.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import { describeModelCard } from '../model-card-json.js';
import type { JobView } from './worker-jobs.js';
import type { WorkerRecord } from './worker-record.js';

/** SMG's names of states. */
const STATUS: Readonly<Record<WorkerHealth, string>> = {
  pending: 'pending',
  healthy: 'ready',
  unhealthy: 'not_ready',
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
    backend: worker.backend,
    labels: worker.labels,
    priority: worker.priority,
    cost: worker.cost,
    weight: worker.weight,
    ...(record?.health === undefined ? {} : { health: record.health }),
    ...(record?.http_pool === undefined ? {} : { http_pool: record.http_pool }),
    is_healthy: worker.health === 'healthy',
    status: STATUS[worker.health],
    ...(worker.healthReason === '' ? {} : { status_reason: worker.healthReason }),
    available: worker.available,
    load: worker.inFlight,
    has_api_key: worker.apiKey !== undefined,
    source: record === undefined ? 'config' : 'api',
    ...(job === undefined ? {} : { job_status: job }),
  };
}

/** What `?status=` may ask for. */
export function statusOf(worker: ManagedWorker): string {
  return STATUS[worker.health];
}
