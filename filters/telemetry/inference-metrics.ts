import type { Counter, Family, Histogram, StatsScope, StreamInfo } from '../../core/api/index.js';
import { BoundCounters, childMap } from './bound-counters.js';
import type { ModelLabels } from './model-labels.js';
import { TokenMetrics } from './token-metrics.js';
import { kindOf, type WorkerKind } from './worker-kind.js';

/** Seconds per token: 10 to 50 ms is what engines do. */
const PER_TOKEN_BUCKETS = [
  0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5,
];

/** Bound series of one combination of model, api, worker kind and streaming; all but the first on their first use. */
interface RequestSeries {
  readonly requests: Counter;
  readonly errors: BoundCounters;
  readonly routerTokens: BoundCounters;
  duration: Histogram | undefined;
  firstToken: Histogram | undefined;
  perToken: Histogram | undefined;
}

/** Metrics of requests to models, whichever worker took them in the end. */
export class InferenceMetrics {
  readonly #labels: ModelLabels;
  readonly #requests: Family<Counter>;
  readonly #duration: Family<Histogram>;
  readonly #errors: Family<Counter>;
  readonly #firstToken: Family<Histogram>;
  readonly #perToken: Family<Histogram>;
  readonly #routerTokens: Family<Counter>;
  readonly #tokens: TokenMetrics;
  readonly #streamed = new Map<string, Map<WorkerKind, Map<string, RequestSeries>>>();
  readonly #collected = new Map<string, Map<WorkerKind, Map<string, RequestSeries>>>();

  constructor(stats: StatsScope, labels: ModelLabels, durationBuckets: readonly number[]) {
    this.#labels = labels;
    const request = ['router_type', 'backend_type', 'connection_mode', 'model', 'endpoint'];
    const token = ['router_type', 'backend_type', 'model', 'endpoint'];
    this.#requests = stats.counter({
      name: 'smg_router_requests_total',
      help: 'Inference requests ended, one per request whatever its attempts',
      labels: [...request, 'streaming'],
    });
    this.#duration = stats.histogram({
      name: 'smg_router_request_duration_seconds',
      help: 'From the request head to the last byte, of requests that completed well',
      labels: request,
      buckets: durationBuckets,
    });
    this.#errors = stats.counter({
      name: 'smg_router_request_errors_total',
      help: 'Inference requests that did not end well, answers that broke off included',
      labels: [...request, 'error_type'],
    });
    this.#firstToken = stats.histogram({
      name: 'smg_router_ttft_seconds',
      help: 'From the request head to the first byte of a streamed answer',
      labels: token,
      buckets: durationBuckets,
    });
    this.#perToken = stats.histogram({
      name: 'smg_router_tpot_seconds',
      help: 'Time per output token after the first one, of streamed answers whose usage is known',
      labels: token,
      buckets: PER_TOKEN_BUCKETS,
    });
    this.#routerTokens = stats.counter({
      name: 'smg_router_tokens_total',
      help: 'Tokens as reported by the workers; of accounted answers that were cut, as estimated',
      labels: [...token, 'token_type'],
    });
    this.#tokens = new TokenMetrics(stats);
  }

  /** Records an inference request that has ended. Returns the label of its model, for the metrics of workers. */
  onEnd(streamInfo: StreamInfo, endedMs: number): string {
    const model = this.#labels.labelOf(streamInfo);
    const stream = streamInfo.inference?.stream === true;
    const series = this.#seriesOf(model, streamInfo, stream);
    series.requests.inc();
    if (!streamInfo.complete || streamInfo.status >= 400) series.errors.get(errorType(streamInfo)).inc();
    else this.#observe(series, model, streamInfo, stream, endedMs);
    const { usage } = streamInfo;
    if (usage === undefined) return model;
    if (usage.promptTokens !== undefined) series.routerTokens.get('input').inc(usage.promptTokens);
    if (usage.completionTokens !== undefined) series.routerTokens.get('output').inc(usage.completionTokens);
    this.#tokens.count(model, streamInfo, usage);
    return model;
  }

  #seriesOf(model: string, streamInfo: StreamInfo, stream: boolean): RequestSeries {
    const kind = kindOf(streamInfo.attempts.at(-1)?.worker);
    const api = streamInfo.api?.type ?? 'other';
    const byApi = childMap(childMap(stream ? this.#streamed : this.#collected, model), kind);
    let series = byApi.get(api);
    if (series === undefined) {
      series = this.#bind(kind, model, api, stream);
      byApi.set(api, series);
    }
    return series;
  }

  #bind(kind: WorkerKind, model: string, api: string, stream: boolean): RequestSeries {
    const { router, backend, connection } = kind;
    return {
      requests: this.#requests.with(router, backend, connection, model, api, String(stream)),
      errors: new BoundCounters((type) => this.#errors.with(router, backend, connection, model, api, type)),
      routerTokens: new BoundCounters((type) => this.#routerTokens.with(router, backend, model, api, type)),
      duration: undefined,
      firstToken: undefined,
      perToken: undefined,
    };
  }

  /** Times of a request that completed well. */
  #observe(series: RequestSeries, model: string, streamInfo: StreamInfo, stream: boolean, endedMs: number): void {
    const { router, backend, connection } = kindOf(streamInfo.attempts.at(-1)?.worker);
    const api = streamInfo.api?.type ?? 'other';
    const { firstByteMs, startedMs, usage } = streamInfo;
    series.duration ??= this.#duration.with(router, backend, connection, model, api);
    series.duration.observe((endedMs - startedMs) / 1000);
    if (!stream || firstByteMs === 0) return;
    series.firstToken ??= this.#firstToken.with(router, backend, model, api);
    series.firstToken.observe((firstByteMs - startedMs) / 1000);
    const tokens = usage?.completionTokens ?? 0;
    if (tokens < 2) return;
    series.perToken ??= this.#perToken.with(router, backend, model, api);
    series.perToken.observe((endedMs - firstByteMs) / 1000 / (tokens - 1));
  }
}

/** The error classes of SMG's metric, with three of our own: `client_closed`, `rate_limited`, `auth`. */
function errorType(streamInfo: StreamInfo): string {
  const { status, responseDetails } = streamInfo;
  if (responseDetails === 'client_closed' || status === 499) return 'client_closed';
  if (status === 401 || status === 403) return 'auth';
  if (status === 429) return 'rate_limited';
  if (status === 503 || responseDetails === 'model_not_found') return 'no_workers';
  if (status === 408 || status === 504 || responseDetails.includes('timeout') || responseDetails.includes('deadline')) {
    return 'timeout';
  }
  if (status >= 400 && status < 500) return 'validation_error';
  return status === 500 && streamInfo.attempts.length === 0 ? 'internal_error' : 'backend_error';
}
