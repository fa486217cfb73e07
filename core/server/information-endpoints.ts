import { GatewayError } from '../api/errors.js';
import type { UpstreamClient } from '../api/upstream.js';
import type { ModelCard, Worker } from '../api/worker.js';
import type { ClusterSet } from '../cluster/clusters.js';
import { accessOf, fetchResponse } from '../cluster/control-fetch.js';
import { workerRoot } from '../cluster/detection/worker-questions.js';
import type { LocalEndpoint, LocalRequest, LocalResponse } from '../http/local-endpoint.js';
import { type ListedModel, MODEL_FORMS } from './model-lists.js';
import { ALIVE, readinessAnswer } from './probe-answers.js';
import type { Readiness } from './readiness.js';

/** What the information endpoints look at. */
export interface InformationSources {
  readonly clusters: ClusterSet;
  readonly client: UpstreamClient;
  readonly readiness: Readiness;
}

/** Limit of one question to a worker, ms. */
const WORKER_TIMEOUT_MS = 5_000;

/** Health, readiness, models and the workers' own descriptions of themselves. */
export function informationEndpoints(sources: InformationSources): LocalEndpoint[] {
  const alive = (): LocalResponse => ALIVE;
  const readiness = ({ query }: LocalRequest): LocalResponse => {
    const { board, table } = sources.readiness;
    // Anybody may ask: no list of models, which /v1/models gives to those with a key.
    return readinessAnswer(board, table, query.get('model') ?? undefined, false);
  };
  return [
    { method: 'GET', path: '/health', accessClass: 'public', handle: alive },
    { method: 'GET', path: '/liveness', accessClass: 'public', handle: alive },
    { method: 'GET', path: '/readiness', accessClass: 'public', handle: readiness },
    {
      method: 'GET',
      path: '/v1/models',
      accessClass: 'data',
      handle: (request) => listModels(sources.clusters, request),
    },
    {
      method: 'GET',
      path: '/v1/models/*',
      accessClass: 'data',
      handle: (request) => oneModel(sources.clusters, request),
    },
    { method: 'GET', path: '/get_model_info', accessClass: 'data', handle: (request) => relay(sources, request) },
    { method: 'GET', path: '/get_server_info', accessClass: 'data', handle: (request) => relay(sources, request) },
  ];
}

function models(clusters: ClusterSet): ListedModel[] {
  const byId = new Map<string, ListedModel>();
  for (const cluster of clusters.list()) {
    for (const worker of cluster.workers) {
      const owner = worker.runtime === 'external' ? worker.cluster : 'self_hosted';
      const cards: readonly ModelCard[] = worker.cards ?? worker.models.map((id) => ({ id }));
      for (const card of cards) if (!byId.has(card.id)) byId.set(card.id, { card, owner });
    }
  }
  return [...byId.values()];
}

function listModels(clusters: ClusterSet, request: LocalRequest): LocalResponse {
  return { status: 200, body: MODEL_FORMS[request.dialect].list(models(clusters)) };
}

function oneModel(clusters: ClusterSet, request: LocalRequest): LocalResponse {
  const id = request.path.slice('/v1/models/'.length);
  const model = models(clusters).find((candidate) => candidate.card.id === id);
  if (model === undefined) {
    throw new GatewayError('model_not_found', `The model \`${id.slice(0, 200)}\` does not exist`, { param: 'model' });
  }
  return { status: 200, body: MODEL_FORMS[request.dialect].one(model) };
}

/** Asks the first healthy worker the same question; its answer passes with its status. */
async function relay(sources: InformationSources, request: LocalRequest): Promise<LocalResponse> {
  const worker = firstHealthy(sources.clusters);
  const answer = await fetchResponse(sources.client, workerRoot(worker) + request.path, {
    timeoutMs: WORKER_TIMEOUT_MS,
    signal: request.signal,
    ...accessOf(worker),
  });
  return {
    status: answer.status,
    body: answer.body.toString('utf8'),
    // Both questions are answered with JSON; what a worker calls it is not for browsers to act on.
    contentType: 'application/json',
  };
}

function firstHealthy(clusters: ClusterSet): Worker {
  for (const cluster of clusters.list()) {
    const worker = cluster.workers.find((candidate) => candidate.available);
    if (worker !== undefined) return worker;
  }
  throw new GatewayError('no_available_workers', 'No worker is available', { retryAfterMs: 1_000 });
}
