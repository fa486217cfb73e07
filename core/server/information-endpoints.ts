import { GatewayError } from '../api/errors.js';
import type { UpstreamClient } from '../api/upstream.js';
import type { ModelCard, Worker } from '../api/worker.js';
import type { ClusterSet } from '../cluster/clusters.js';
import { accessOf, fetchResponse } from '../cluster/control-fetch.js';
import { workerRoot } from '../cluster/detection/worker-questions.js';
import type { LocalEndpoint, LocalRequest, LocalResponse } from '../http/local-endpoint.js';
import type { CallerModels } from './caller-models.js';
import { type ListedModel, MODEL_FORMS } from './model-lists.js';
import { ALIVE, readinessAnswer } from './probe-answers.js';
import type { Readiness } from './readiness.js';

/** What the information endpoints look at. */
export interface InformationSources {
  readonly clusters: ClusterSet;
  readonly client: UpstreamClient;
  readonly readiness: Readiness;
  readonly callerModels: CallerModels;
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
      handle: (request) => listModels(sources, request),
    },
    {
      method: 'GET',
      path: '/v1/models/*',
      accessClass: 'data',
      handle: (request) => oneModel(sources, request),
    },
    { method: 'GET', path: '/get_model_info', accessClass: 'data', handle: (request) => relay(sources, request) },
    { method: 'GET', path: '/get_server_info', accessClass: 'data', handle: (request) => relay(sources, request) },
  ];
}

/** Models that workers are known to serve, and those that providers list for the key that the caller brought. */
async function models({ clusters, callerModels }: InformationSources, request: LocalRequest): Promise<ListedModel[]> {
  const byId = knownModels(clusters);
  const catchAll = clusters
    .list()
    .flatMap((cluster) =>
      cluster.workers.filter(({ runtime, models: named }) => runtime === 'external' && named.length === 0),
    );
  const lists = await Promise.all(
    catchAll.map(async (worker) => ({ worker, cards: await callerModels.list(worker, request.headers) })),
  );
  for (const { worker, cards } of lists) {
    for (const card of cards) if (!byId.has(card.id)) byId.set(card.id, { card, owner: ownerOf(worker) });
  }
  return [...byId.values()];
}

function ownerOf(worker: Worker): string {
  return worker.runtime === 'external' ? (worker.provider ?? worker.cluster) : 'self_hosted';
}

function knownModels(clusters: ClusterSet): Map<string, ListedModel> {
  const byId = new Map<string, ListedModel>();
  for (const cluster of clusters.list()) {
    for (const worker of cluster.workers) {
      const owner = ownerOf(worker);
      const cards: readonly ModelCard[] = worker.cards ?? worker.models.map((id) => ({ id }));
      for (const card of cards) if (!byId.has(card.id)) byId.set(card.id, { card, owner });
    }
  }
  return byId;
}

async function listModels(sources: InformationSources, request: LocalRequest): Promise<LocalResponse> {
  return { status: 200, body: MODEL_FORMS[request.dialect].list(await models(sources, request)) };
}

async function oneModel(sources: InformationSources, request: LocalRequest): Promise<LocalResponse> {
  const id = request.path.slice('/v1/models/'.length);
  const model = (await models(sources, request)).find((candidate) => candidate.card.id === id);
  if (model === undefined) {
    throw new GatewayError('model_not_found', `The model \`${id.slice(0, 200)}\` does not exist`, { param: 'model' });
  }
  return { status: 200, body: MODEL_FORMS[request.dialect].one(model) };
}

/** Asks the first healthy engine the same question; its answer passes with its status. Cloud APIs have no such answer. */
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
  const workers = clusters.list().flatMap((cluster) => cluster.workers);
  const worker = workers.find(({ available, runtime }) => available && runtime !== 'external');
  if (worker !== undefined) return worker;
  if (workers.length > 0 && workers.every(({ runtime }) => runtime === 'external')) {
    throw new GatewayError('not_supported_by_provider', 'The workers are cloud APIs, which do not describe themselves');
  }
  throw new GatewayError('no_available_workers', 'No worker is available', { retryAfterMs: 1_000 });
}
