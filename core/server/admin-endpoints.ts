import { GatewayError } from '../api/errors.js';
import type { UpstreamClient } from '../api/upstream.js';
import { accessOf, type FetchedResponse, fetchResponse, isSuccess } from '../cluster/control-fetch.js';
import { workerRoot } from '../cluster/detection/worker-questions.js';
import type { ManagedWorker } from '../cluster/worker.js';
import type { LocalEndpoint, LocalRequest, LocalResponse } from '../http/local-endpoint.js';
import { type EngineScrape, mergeExpositions } from './engine-exposition.js';

/** What the endpoints that ask all workers work with. */
export interface AdminSources {
  readonly client: UpstreamClient;
  workers(): readonly ManagedWorker[];
}

/** Workers that are asked at once. */
const FAN_OUT = 32;
const FLUSH_TIMEOUT_MS = 45_000;
const PROFILE_TIMEOUT_MS = 630_000;
const SCRAPE_TIMEOUT_MS = 5_000;
const MAX_SCRAPE_BYTES = 16 * 1024 * 1024;

/** Administration of all workers at once; what failed is said worker by worker. Paths and shapes are SMG's. */
export function adminEndpoints(sources: AdminSources): LocalEndpoint[] {
  const control = (
    method: 'GET' | 'POST',
    path: string,
    handle: (sources: AdminSources, request: LocalRequest) => Promise<LocalResponse>,
  ): LocalEndpoint => ({ method, path, accessClass: 'control', handle: (request) => handle(sources, request) });
  return [
    control('POST', '/flush_cache', flushCache),
    control('POST', '/start_profile', (_, request) => profile(sources, request, '/start_profile')),
    control('POST', '/stop_profile', (_, request) => profile(sources, request, '/stop_profile')),
    control('GET', '/engine_metrics', engineMetrics),
  ];
}

interface Outcome {
  readonly url: string;
  /** Undefined: it worked. */
  readonly error: string | undefined;
}

async function flushCache(sources: AdminSources, { signal }: LocalRequest): Promise<LocalResponse> {
  const urls = engineUrls(sources.workers());
  if (urls.size === 0) return summary([], { flushed: true });
  const outcomes = await askAll(urls, async (url, worker) => {
    const options = { method: 'POST', timeoutMs: FLUSH_TIMEOUT_MS, signal, ...accessOf(worker) } as const;
    return failureOf(await fetchResponse(sources.client, `${url}/flush_cache`, options));
  });
  return summary(outcomes, { flushed: true });
}

async function profile(sources: AdminSources, request: LocalRequest, path: string): Promise<LocalResponse> {
  const { url: only, ...options } = profileOptions(request.body);
  const urls = engineUrls(sources.workers());
  if (only !== undefined) for (const url of [...urls.keys()]) if (url !== only.replace(/\/+$/, '')) urls.delete(url);
  if (urls.size === 0) {
    const message = only === undefined ? 'No workers available for profiling' : 'No worker has this url';
    return { status: 404, body: { status: 'error', message } };
  }
  const body = Object.keys(options).length === 0 ? {} : { body: Buffer.from(JSON.stringify(options)) };
  const outcomes = await askAll(urls, async (url, worker) => {
    const call = {
      method: 'POST',
      timeoutMs: PROFILE_TIMEOUT_MS,
      signal: request.signal,
      ...body,
      ...accessOf(worker),
    } as const;
    return failureOf(await fetchResponse(sources.client, url + path, call));
  });
  return summary(outcomes, { flushed: false });
}

/** The body is optional. Throws `invalid_request` when it is there and not an object. */
function profileOptions(body: Buffer): { url?: string } & Record<string, unknown> {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new GatewayError('invalid_json', 'The request body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError('invalid_request', 'The request body must be a JSON object');
  }
  const { url } = value as { url?: unknown };
  if (url !== undefined && typeof url !== 'string') {
    throw new GatewayError('invalid_request', 'url: must be the URL of a worker', { param: 'url' });
  }
  return value as { url?: string };
}

async function engineMetrics(sources: AdminSources, { signal }: LocalRequest): Promise<LocalResponse> {
  const urls = engineUrls(sources.workers());
  if (urls.size === 0)
    throw new GatewayError('no_available_workers', 'No worker is available', { retryAfterMs: 1_000 });
  const scrapes: EngineScrape[] = [];
  const outcomes = await askAll(urls, async (url, worker) => {
    const options = { timeoutMs: SCRAPE_TIMEOUT_MS, maxBytes: MAX_SCRAPE_BYTES, signal, ...accessOf(worker) };
    const response = await fetchResponse(sources.client, `${url}/metrics`, options);
    const failure = failureOf(response);
    if (failure === undefined) scrapes.push({ workerAddress: url, text: response.body.toString('utf8') });
    return failure;
  });
  if (scrapes.length === 0) {
    const reasons = [...new Set(outcomes.map(({ error }) => error))].join(', ');
    throw new GatewayError('upstream_connect_failed', 'No worker gave its metrics', {
      details: `engine_metrics: ${reasons}`,
    });
  }
  return { status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: mergeExpositions(scrapes) };
}

/** Engines by base URL: several workers may be one server, which is asked once. Providers are not ours to administer. */
function engineUrls(workers: readonly ManagedWorker[]): Map<string, ManagedWorker> {
  const urls = new Map<string, ManagedWorker>();
  for (const worker of workers) {
    if (worker.runtime !== 'external') urls.set(workerRoot(worker), worker);
  }
  return urls;
}

async function askAll(
  urls: ReadonlyMap<string, ManagedWorker>,
  ask: (url: string, worker: ManagedWorker) => Promise<string | undefined>,
): Promise<Outcome[]> {
  const left = urls.entries();
  const outcomes: Outcome[] = [];
  const runner = async (): Promise<void> => {
    for (const [url, worker] of left) {
      const error = await ask(url, worker).catch((reason: unknown) => GatewayError.from(reason).message);
      outcomes.push({ url, error });
    }
  };
  await Promise.all(Array.from({ length: Math.min(FAN_OUT, urls.size) }, runner));
  return outcomes;
}

function failureOf({ status }: FetchedResponse): string | undefined {
  return isSuccess(status) ? undefined : `HTTP status ${status}`;
}

function summary(outcomes: readonly Outcome[], { flushed }: { flushed: boolean }): LocalResponse {
  const failed = outcomes.filter(({ error }) => error !== undefined);
  const successful = outcomes.filter(({ error }) => error === undefined).map(({ url }) => url);
  const verb = flushed ? 'flushed' : 'profiled';
  const counts = flushed
    ? {
        workers_flushed: successful.length,
        total_http_workers: outcomes.length,
        total_grpc_workers: 0,
        total_zmq_workers_skipped: 0,
        total_workers: outcomes.length,
      }
    : { workers_profiled: successful.length, total_workers: outcomes.length };
  if (outcomes.length === 0) {
    return { status: 200, body: { status: 'success', message: 'No workers available for cache flush', ...counts } };
  }
  if (failed.length === 0) {
    const message = `${successful.length} of ${outcomes.length} workers ${verb}`;
    return { status: 200, body: { status: 'success', message, ...counts } };
  }
  return {
    status: successful.length === 0 ? 502 : 206,
    body: {
      status: successful.length === 0 ? 'error' : 'partial_success',
      message: `${successful.length} of ${outcomes.length} workers ${verb}, ${failed.length} failed`,
      ...counts,
      successful,
      failed: failed.map(({ url, error }) => ({ worker: url, error })),
    },
  };
}
