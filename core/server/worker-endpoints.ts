import type { ManagedWorker } from '../cluster/worker.js';
import type { WorkerRegistry } from '../cluster/worker-registry.js';
import type { LocalEndpoint, LocalRequest, LocalResponse } from '../http/local-endpoint.js';

/** The worker list. Adding and removing at run time is not built yet; those methods answer 405. */
export function workerEndpoints(registry: WorkerRegistry): LocalEndpoint[] {
  return [
    { method: 'GET', path: '/workers', accessClass: 'control', handle: (request) => list(registry, request) },
    { method: 'GET', path: '/workers/*', accessClass: 'control', handle: (request) => one(registry, request) },
  ];
}

function list(registry: WorkerRegistry, request: LocalRequest): LocalResponse {
  const model = request.query.get('model');
  const workers = registry
    .list()
    .filter((worker) => model === null || worker.models.length === 0 || worker.models.includes(model));
  const count = (type: string): number => workers.filter((worker) => worker.workerType === type).length;
  return {
    status: 200,
    body: {
      workers: workers.map(describe),
      total: workers.length,
      stats: { prefill_count: count('prefill'), decode_count: count('decode'), regular_count: count('regular') },
    },
  };
}

function one(registry: WorkerRegistry, request: LocalRequest): LocalResponse {
  const id = request.path.slice('/workers/'.length);
  const worker = registry.get(id);
  // The worker API has its own error shape (SMG's), which its clients parse.
  if (worker === undefined) return { status: 404, body: { error: `Worker ${id} not found`, code: 'WORKER_NOT_FOUND' } };
  return { status: 200, body: describe(worker) };
}

/** The record without its key. */
function describe(worker: ManagedWorker): object {
  return {
    id: worker.id,
    url: worker.url,
    cluster: worker.cluster,
    model_id: worker.models[0] ?? 'unknown',
    models: worker.models.map((id) => ({ id })),
    worker_type: worker.workerType,
    runtime: worker.runtime,
    connection_mode: 'http',
    backend: worker.backend,
    priority: worker.priority,
    cost: worker.cost,
    weight: worker.weight,
    labels: worker.labels,
    is_healthy: worker.available,
    status: worker.health,
    status_reason: worker.healthReason === '' ? null : worker.healthReason,
    load: worker.inFlight,
    has_api_key: worker.apiKey !== undefined,
  };
}
