import { parseDuration } from '../../../config/scalars.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import type { WorkerRegistry } from '../../cluster/worker-registry.js';
import type { LocalEndpoint, LocalRequest, LocalResponse } from '../../http/local-endpoint.js';
import type { WorkerJobs } from './worker-jobs.js';
import type { WorkerOverlay } from './worker-overlay.js';
import { parsePatch, parseRecord, RecordError, type WorkerRecord } from './worker-record.js';
import { servesModel, statusOf, workerView } from './worker-views.js';

/** What the endpoints work with. */
export interface WorkerApi {
  readonly registry: WorkerRegistry;
  readonly overlay: WorkerOverlay;
  readonly jobs: WorkerJobs;
  /** Why a worker at this URL must not be in this cluster (undefined: the first one); undefined when it may. */
  checkUrl(url: string, cluster: string | undefined): Promise<string | undefined>;
  /** Loads what sending to this URL needs. */
  prepare(url: string): Promise<void>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Of `?wait=true`, ms. */
const DEFAULT_WAIT_MS = 30_000;
const MAX_WAIT_MS = 1_800_000;

/** The admin API of workers, in SMG's shapes (its error bodies among them, which its clients parse). */
export function workerEndpoints(api: WorkerApi): LocalEndpoint[] {
  const control = (
    method: LocalEndpoint['method'],
    path: string,
    handle: (api: WorkerApi, request: LocalRequest) => LocalResponse | Promise<LocalResponse>,
  ): LocalEndpoint => ({
    method,
    path,
    accessClass: 'control',
    handle: async (request) => {
      try {
        return await handle(api, request);
      } catch (error) {
        if (error instanceof RecordError) return failure(400, 'BAD_REQUEST', error.message);
        throw error;
      }
    },
  });
  return [
    control('GET', '/workers', list),
    control('POST', '/workers', add),
    control('GET', '/workers/*', withWorker(show)),
    control('PUT', '/workers/*', withWorker(replace)),
    control('PATCH', '/workers/*', withWorker(change)),
    control('DELETE', '/workers/*', withWorker(remove)),
    control('GET', '/jobs', ({ jobs }) => ({ status: 200, body: { jobs: jobs.list() } })),
    control('GET', '/jobs/*', showJob),
  ];
}

function list({ registry, overlay }: WorkerApi, { query }: LocalRequest): LocalResponse {
  const [model, status, type, label] = ['model', 'status', 'type', 'label'].map((name) => query.get(name));
  const [labelName, labelValue] = (label ?? '').split('=', 2);
  const workers = registry
    .list()
    .filter((worker) => !model || servesModel(worker, model))
    .filter((worker) => !status || statusOf(worker) === status)
    .filter((worker) => !type || worker.workerType === type)
    .filter((worker) => {
      if (!labelName) return true;
      const value = worker.labels[labelName];
      return labelValue === undefined ? value !== undefined : value === labelValue;
    });
  const count = (matches: (worker: ManagedWorker) => boolean): number => workers.filter(matches).length;
  return {
    status: 200,
    body: {
      workers: workers.map((worker) => workerView(worker, overlay.recordOf(worker))),
      total: workers.length,
      stats: {
        prefill_count: count(({ workerType }) => workerType === 'prefill'),
        decode_count: count(({ workerType }) => workerType === 'decode'),
        regular_count: count(({ workerType }) => workerType === 'regular'),
        ready_count: count(({ health }) => health === 'healthy'),
        pending_count: count(({ health }) => health === 'pending'),
        failed_count: count(({ health }) => health === 'failed'),
      },
    },
  };
}

async function add(api: WorkerApi, request: LocalRequest): Promise<LocalResponse> {
  const { registry, overlay, jobs } = api;
  const record = readRecord(request);
  const id = overlay.idOf(record);
  const live = registry.get(id);
  if (live?.health === 'healthy' || live?.health === 'unhealthy') {
    return failure(
      409,
      'WORKER_ALREADY_EXISTS',
      `Worker ${record.url} already exists with id ${id}: replace it with PUT /workers/${id} or change it with PATCH /workers/${id}`,
    );
  }
  const placed = overlay.workerAt(record.url);
  if (placed !== undefined && placed.id !== id) {
    return failure(
      409,
      'WORKER_ALREADY_EXISTS',
      `Worker ${record.url} already exists in cluster ${placed.cluster} with id ${placed.id}: delete it there first`,
    );
  }
  const limitMs = waitLimitMs(request);
  await allow(api, record);
  const worker = overlay.put(record);
  if (worker.health === 'failed') registry.recheck(worker);
  const jobId = jobs.start('AddWorker', worker);
  const location = `/workers/${id}`;
  const waited = await wait(api, request, {
    worker,
    limitMs,
    done: () => worker.health === 'healthy',
    over: () => worker.health === 'failed',
  });
  if (waited) return { ...show(api, worker), headers: { location } };
  return {
    status: 202,
    headers: { location },
    body: {
      status: 'accepted',
      worker_id: id,
      url: record.url,
      location,
      message: 'Worker addition queued for background processing',
      job_id: jobId,
    },
  };
}

function show({ overlay, jobs }: WorkerApi, worker: ManagedWorker): LocalResponse {
  return { status: 200, body: workerView(worker, overlay.recordOf(worker), jobs.of(worker)) };
}

async function replace(api: WorkerApi, worker: ManagedWorker, request: LocalRequest): Promise<LocalResponse> {
  const record = readRecord(request);
  if (api.overlay.idOf({ ...record, cluster: record.cluster ?? worker.cluster }) !== worker.id) {
    throw new RecordError(`url: does not match the worker, which is at ${worker.url} in cluster ${worker.cluster}`);
  }
  const placed = { ...record, cluster: record.cluster ?? worker.cluster };
  await allow(api, placed);
  if (worker.health === 'draining') return notFound(worker.id);
  api.overlay.put(placed);
  return updated(api, worker);
}

function change(api: WorkerApi, worker: ManagedWorker, request: LocalRequest): LocalResponse {
  requireJson(request);
  const patch = parsePatch(request.body);
  if (worker.health === 'draining') return notFound(worker.id);
  if (Object.keys(patch).length > 0) api.overlay.patch(worker, patch);
  return updated(api, worker);
}

function updated({ jobs }: WorkerApi, worker: ManagedWorker): LocalResponse {
  const jobId = jobs.start('UpdateWorker', worker);
  const message = 'Worker update queued for background processing';
  return { status: 202, body: { status: 'accepted', worker_id: worker.id, message, job_id: jobId } };
}

async function remove(api: WorkerApi, worker: ManagedWorker, request: LocalRequest): Promise<LocalResponse> {
  const { registry, overlay, jobs } = api;
  const limitMs = waitLimitMs(request);
  const drain = request.query.get('drain');
  if (drain !== null) {
    const drainMs = drain === 'force' ? 0 : parseDuration(drain);
    if (drainMs === undefined) throw new RecordError('drain: must be a duration such as 30s, or force');
    // At once still lets the answer of this call go first: the shortest timer.
    registry.setDrain(worker, { settleMs: 0, timeoutMs: Math.max(drainMs, 1) });
  }
  const jobId = jobs.start('RemoveWorker', worker);
  overlay.remove(worker);
  const waited = await wait(api, request, { worker, limitMs, done: () => registry.get(worker.id) !== worker });
  const message = waited ? 'Worker removed' : 'Worker removal queued for background processing';
  return {
    status: waited ? 200 : 202,
    body: { status: waited ? 'removed' : 'accepted', worker_id: worker.id, message, job_id: jobId },
  };
}

function showJob({ jobs }: WorkerApi, request: LocalRequest): LocalResponse {
  const id = request.path.slice('/jobs/'.length);
  const job = jobs.get(id);
  return job === undefined
    ? failure(404, 'JOB_NOT_FOUND', `Job ${id.slice(0, 100)} not found`)
    : { status: 200, body: job };
}

/** Handles a path that ends in the id of a worker. */
function withWorker(
  handle: (api: WorkerApi, worker: ManagedWorker, request: LocalRequest) => LocalResponse | Promise<LocalResponse>,
) {
  return (api: WorkerApi, request: LocalRequest): LocalResponse | Promise<LocalResponse> => {
    const id = request.path.slice('/workers/'.length);
    if (!UUID.test(id)) return failure(400, 'BAD_REQUEST', `Invalid worker id "${id.slice(0, 100)}": not a UUID`);
    const worker = api.registry.get(id.toLowerCase());
    return worker === undefined ? notFound(id) : handle(api, worker, request);
  };
}

function readRecord(request: LocalRequest): WorkerRecord {
  requireJson(request);
  return parseRecord(request.body);
}

function requireJson({ headers }: LocalRequest): void {
  const type = headers.get('content-type');
  if (!/^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(type ?? '')) {
    throw new RecordError('Missing Content-Type: application/json header');
  }
}

async function allow(api: WorkerApi, { url, cluster }: WorkerRecord): Promise<void> {
  const refusal = await api.checkUrl(url, cluster);
  if (refusal !== undefined) throw new RecordError(`url: ${refusal}`);
  await api.prepare(url);
}

/** `?wait=true`, or a duration; 0 where nobody wants to wait. Throws RecordError: to be read before anything is changed. */
function waitLimitMs({ query }: LocalRequest): number {
  const text = query.get('wait');
  if (text === null || text === 'false') return 0;
  const limitMs = text === 'true' || text === '' ? DEFAULT_WAIT_MS : parseDuration(text);
  if (limitMs === undefined) throw new RecordError('wait: must be true or a duration such as 30s');
  return Math.min(limitMs, MAX_WAIT_MS);
}

/** True once `done` holds; false when it does not in time, a change says that it is `over`, or the caller leaves. */
function wait(
  { registry }: WorkerApi,
  { signal }: LocalRequest,
  {
    worker,
    limitMs,
    done,
    over = () => false,
  }: { worker: ManagedWorker; limitMs: number; done: () => boolean; over?: () => boolean },
): Promise<boolean> {
  if (limitMs === 0 || signal.aborted) return Promise.resolve(false);
  if (done()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const finish = (result: boolean) => (): void => {
      clearTimeout(timer);
      unsubscribe();
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const onAbort = finish(false);
    const timer = setTimeout(finish(false), limitMs);
    const unsubscribe = registry.onChange((event) => {
      if (event.worker !== worker) return;
      if (done()) finish(true)();
      else if (over()) finish(false)();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function notFound(id: string): LocalResponse {
  return failure(404, 'WORKER_NOT_FOUND', `Worker ${id} not found`);
}

function failure(status: number, code: string, error: string): LocalResponse {
  return { status, body: { error, code } };
}
