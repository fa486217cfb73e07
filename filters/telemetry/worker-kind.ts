import type { Worker } from '../../core/api/index.js';

/** Kind of worker that a request ended at, in the words of SMG's dashboards. */
export interface WorkerKind {
  readonly router: 'http' | 'grpc' | 'openai';
  readonly backend: 'regular' | 'pd' | 'external';
  readonly connection: 'http' | 'grpc';
}

const HTTP_WORKER: WorkerKind = { router: 'http', backend: 'regular', connection: 'http' };
const HTTP_PAIR: WorkerKind = { router: 'http', backend: 'pd', connection: 'http' };
const GRPC_WORKER: WorkerKind = { router: 'grpc', backend: 'regular', connection: 'grpc' };
const GRPC_PAIR: WorkerKind = { router: 'grpc', backend: 'pd', connection: 'grpc' };
const PROVIDER: WorkerKind = { router: 'openai', backend: 'external', connection: 'http' };

/** One of a handful of objects, so it can be a map key. Undefined, for a request that no worker got: an HTTP worker. */
export function kindOf(worker: Worker | undefined): WorkerKind {
  if (worker === undefined) return HTTP_WORKER;
  // An engine of unknown make on the own network is no provider.
  if (worker.runtime === 'external' && worker.url.startsWith('https:')) return PROVIDER;
  const pair = worker.workerType !== 'regular';
  if (worker.backend.endsWith('_grpc')) return pair ? GRPC_PAIR : GRPC_WORKER;
  return pair ? HTTP_PAIR : HTTP_WORKER;
}
