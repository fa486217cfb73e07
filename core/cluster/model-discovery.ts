import type { UpstreamClient } from '../api/upstream.js';
import type { WorkerRuntime } from '../api/worker.js';
import { type FetchOptions, fetchJson, fetchResponse, isSuccess } from './control-fetch.js';
import type { WorkerFacts } from './worker.js';

/** `owned_by` of a model, as engines fill it in. */
const RUNTIME_BY_OWNER: Readonly<Record<string, WorkerRuntime>> = {
  sglang: 'sglang',
  nvidia: 'sglang',
  vllm: 'vllm',
  trtllm: 'trtllm',
};

/** Paths that only SGLang answers, newer spelling first. */
const SGLANG_PATHS = ['/server_info', '/get_server_info'];

/** What to ask a worker for. */
export interface DiscoveryQuery {
  /** Base URL. */
  readonly url: string;
  /** False where it is configured. */
  readonly wantsRuntime: boolean;
  readonly options: FetchOptions;
}

/**
 * Where an engine's own paths begin. A base URL may end in `/v1`, as vendors print it: `/health` and `/v1/models` do not
 * come below that.
 */
export function engineRoot(url: string): string {
  return url.endsWith('/v1') ? url.slice(0, -'/v1'.length) : url;
}

/**
 * Asks a worker which models it serves and which engine it is. The owner of its models decides about the engine; where
 * that is not an engine's name, `/version` answered means vLLM and `/server_info` SGLang. Rejects only when it cannot be
 * reached at all; a worker without `/v1/models` has `models` undefined.
 */
export async function discoverWorker(client: UpstreamClient, query: DiscoveryQuery): Promise<WorkerFacts> {
  const { status, value } = await fetchJson(client, `${engineRoot(query.url)}/v1/models`, query.options);
  const entries = isSuccess(status) ? modelEntries(value) : [];
  const models = [...new Set(entries.map((entry) => entry.id))];
  const runtime = query.wantsRuntime ? await detectRuntime(client, query, entries) : undefined;
  const labels: Record<string, string> = {};
  const length = entries[0]?.maxModelLength;
  if (length !== undefined) labels.max_model_len = String(length);
  return { models: models.length > 0 ? models : undefined, runtime, labels };
}

interface ModelEntry {
  readonly id: string;
  readonly owner: string;
  readonly maxModelLength: number | undefined;
}

/** Entries of an OpenAI model list that have an id; anything else is passed over. */
function modelEntries(list: unknown): ModelEntry[] {
  const data = isRecord(list) ? list.data : undefined;
  if (!Array.isArray(data)) return [];
  const entries: ModelEntry[] = [];
  for (const item of data) {
    if (!isRecord(item) || typeof item.id !== 'string' || item.id === '') continue;
    entries.push({
      id: item.id,
      owner: typeof item.owned_by === 'string' ? item.owned_by : '',
      maxModelLength: typeof item.max_model_len === 'number' ? item.max_model_len : undefined,
    });
  }
  return entries;
}

async function detectRuntime(
  client: UpstreamClient,
  query: DiscoveryQuery,
  entries: readonly ModelEntry[],
): Promise<WorkerRuntime | undefined> {
  for (const entry of entries) {
    const runtime = RUNTIME_BY_OWNER[entry.owner.toLowerCase()];
    if (runtime !== undefined) return runtime;
  }
  if (await answers(client, query, '/version')) return 'vllm';
  for (const path of SGLANG_PATHS) if (await answers(client, query, path)) return 'sglang';
  return undefined;
}

async function answers(client: UpstreamClient, query: DiscoveryQuery, path: string): Promise<boolean> {
  try {
    return isSuccess((await fetchResponse(client, engineRoot(query.url) + path, query.options)).status);
  } catch (error) {
    if (query.options.signal?.aborted) throw error;
    // Not reached is not answered: the list of models was there a moment ago, and the next discovery asks again.
    return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
