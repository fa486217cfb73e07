import { isJsonObject } from '../../api/json.js';
import { providerFacts, providerOfUrl } from '../../api/provider.js';
import type { WorkerRuntime } from '../../api/worker.js';
import type { WorkerFacts } from '../worker-facts.js';
import { addListedModel, addModelInfo, addServerInfo, addVersion, type LabelMap } from './labels.js';
import { engineCards, providerCards } from './model-cards.js';
import { type ListedModel, readModelList } from './model-list.js';
import { DetectionError, type QuestionTarget, type WorkerAnswer, WorkerQuestions } from './worker-questions.js';

/** `owned_by` of a model, as engines fill it in. */
const RUNTIME_BY_OWNER: ReadonlyMap<string, WorkerRuntime> = new Map([
  ['sglang', 'sglang'],
  ['nvidia', 'sglang'],
  ['vllm', 'vllm'],
  ['trtllm', 'trtllm'],
]);

/** Most of a provider's list that is read: aggregators have thousands of models. */
const MAX_PROVIDER_LIST_BYTES = 4 * 1024 * 1024;
/** Most pages of it. */
const MAX_PROVIDER_PAGES = 20;

/** What to ask a worker for. */
export interface DetectionQuery extends QuestionTarget {
  /** Undefined: to be found out. */
  readonly runtime: WorkerRuntime | undefined;
  /** Models that the config states; the worker need not tell then. */
  readonly models: readonly string[];
}

/** What a worker is by its URL, before it was asked: a provider's host stands for a cloud API. */
export function runtimeOfUrl(url: string): WorkerRuntime | undefined {
  return providerOfUrl(url) === undefined ? undefined : 'external';
}

/**
 * Finds out which engine a worker is, which models it serves and what it says of them, within one deadline.
 *
 * The owner of its models decides about the engine; where that is no engine's name, `/version` answered means vLLM, else
 * `/server_info` SGLang, else it is `generic` if it has models. Rejects with DetectionError as long as engine or models are
 * not certain: an error is no answer, a 404 is one. What it only says beside (labels, context length) is taken as far as it
 * comes. A garbled answer is as good as none.
 */
export async function detectWorker(query: DetectionQuery): Promise<WorkerFacts> {
  const stated = query.runtime ?? runtimeOfUrl(query.url);
  if (stated === 'external') return await detectProvider(query);

  const questions = new WorkerQuestions(query);
  const list = await questions.ask('models', '/v1/models');
  const listed = listedModels(list);
  const owned = stated ?? runtimeByOwner(listed);
  const [version, serverInfo, modelInfo] = await Promise.all([
    owned === undefined || owned === 'vllm' ? questions.tryAsk('version', '/version') : undefined,
    owned === 'vllm' || owned === 'generic'
      ? undefined
      : questions.tryEither('server info', '/server_info', '/get_server_info'),
    owned === undefined || owned === 'vllm' || owned === 'generic'
      ? undefined
      : questions.tryEither('model info', '/model_info', '/get_model_info'),
  ]);
  const runtime = owned ?? runtimeByAnswers(version, serverInfo, listed, query);

  const labels: LabelMap = new Map();
  if (runtime === 'vllm') {
    addVersion(labels, version?.value);
  } else if (runtime !== 'generic') {
    const info = modelInfo ?? (await questions.tryEither('model info', '/model_info', '/get_model_info'));
    addServerInfo(labels, serverInfo?.value);
    addModelInfo(labels, info?.value);
  }
  addListedModel(labels, listed[0]);
  const cards = engineCards(labels, listed);
  // Whoever states the engine of a worker that has no list of models knows that it takes any.
  if (cards.length === 0 && query.models.length === 0 && query.runtime === undefined) {
    throw new DetectionError('models', list.ok ? 'none listed' : `status ${list.status}`);
  }
  return { cards, runtime, labels: Object.fromEntries(labels) };
}

/** Models of a provider, which has neither probes nor labels. */
async function detectProvider(query: DetectionQuery): Promise<WorkerFacts> {
  const options = { ...query.options, maxBytes: MAX_PROVIDER_LIST_BYTES };
  const questions = new WorkerQuestions({ ...query, options });
  const path = providerFacts(query.provider)?.modelsPath ?? '/v1/models';
  const listed: ListedModel[] = [];
  let page = '';
  for (let pages = 0; pages < MAX_PROVIDER_PAGES; pages++) {
    const answer = await questions.ask('models', path + page);
    if (!answer.ok) throw new DetectionError('models', `status ${answer.status}`);
    listed.push(...listedModels(answer));
    const next = nextPage(answer.value);
    if (next === undefined) break;
    page = `&${next}`;
  }
  if (listed.length === 0) throw new DetectionError('models', 'none listed');
  return { cards: providerCards(listed), runtime: 'external', labels: {} };
}

/** Query of the page after this one: Anthropic says `has_more` and `last_id`, Gemini `nextPageToken`. Others have one page. */
function nextPage(list: unknown): string | undefined {
  if (!isJsonObject(list)) return undefined;
  const { has_more: hasMore, last_id: lastId, nextPageToken: token } = list;
  if (typeof token === 'string' && token !== '') return `pageToken=${encodeURIComponent(token)}`;
  if (hasMore === true && typeof lastId === 'string' && lastId !== '') return `after_id=${encodeURIComponent(lastId)}`;
  return undefined;
}

/** Throws DetectionError when the answer neither is a list nor says that there is none. */
function listedModels({ ok, status, value }: WorkerAnswer): readonly ListedModel[] {
  if (ok) {
    const models = readModelList(value);
    if (models === undefined) throw new DetectionError('models', value === undefined ? 'invalid JSON' : 'not a list');
    return models;
  }
  if (status === 404 || status === 405 || status === 501) return [];
  throw new DetectionError('models', `status ${status}`);
}

function runtimeByOwner(listed: readonly ListedModel[]): WorkerRuntime | undefined {
  for (const { owner } of listed) {
    const runtime = RUNTIME_BY_OWNER.get(owner);
    if (runtime !== undefined) return runtime;
  }
  return undefined;
}

function runtimeByAnswers(
  version: WorkerAnswer | undefined,
  serverInfo: WorkerAnswer | undefined,
  listed: readonly ListedModel[],
  query: DetectionQuery,
): WorkerRuntime {
  if (version?.ok === true) return 'vllm';
  if (serverInfo?.ok === true) return 'sglang';
  if (listed.length > 0 || query.models.length > 0) return 'generic';
  throw new DetectionError('engine', 'neither /v1/models nor /version nor /server_info is there');
}
