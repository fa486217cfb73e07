import type { Counter, Family, Histogram, StatsScope, StreamInfo, TokenUsage, Worker } from '../../core/api/index.js';
import { BoundCounters, childMap } from './bound-counters.js';

/** Of OpenTelemetry's conventions for generative AI. */
const TOKEN_BUCKETS = [
  1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
];

/** `gen_ai.operation.name` by client api; others are their own. */
const OPERATIONS: Readonly<Record<string, string>> = {
  chat: 'chat',
  messages: 'chat',
  responses: 'chat',
  completions: 'text_completion',
  generate: 'text_completion',
  audio_transcriptions: 'transcription',
};

/** `gen_ai.provider.name` where it is not what we call it. */
const PROVIDERS: Readonly<Record<string, string>> = {
  trtllm: 'tensorrt_llm',
  xai: 'x_ai',
  gemini: 'gcp.gemini',
  azure: 'azure.ai.openai',
};

/** Histograms of one combination of operation, provider and model. */
interface UsageSeries {
  readonly input: Histogram;
  readonly output: Histogram;
}

/** Token counts of requests: by class and by who asked, and under the names that all of the field's dashboards know. */
export class TokenMetrics {
  readonly #tokens: Family<Counter>;
  readonly #usage: Family<Histogram>;
  /** By model, then by tenant. */
  readonly #tokensOf = new Map<string, Map<string, BoundCounters>>();
  /** By model, provider and operation. */
  readonly #usageOf = new Map<string, Map<string, Map<string, UsageSeries>>>();

  constructor(stats: StatsScope) {
    this.#tokens = stats.counter({
      name: 'smg_tokens_total',
      help: 'Tokens by who asked; cached_input and cache_write are part of input, reasoning of output; estimates included',
      labels: ['model', 'tenant', 'type'],
      maxSeries: 5000,
    });
    this.#usage = stats.histogram({
      name: 'gen_ai_client_token_usage',
      help: 'Tokens of a request, as its worker reported them',
      labels: ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model', 'gen_ai_token_type'],
      buckets: TOKEN_BUCKETS,
    });
  }

  /** `model`: its label. */
  count(model: string, streamInfo: StreamInfo, usage: TokenUsage): void {
    const byTenant = childMap(this.#tokensOf, model);
    const tenant = streamInfo.principal?.tenant ?? '';
    let tokens = byTenant.get(tenant);
    if (tokens === undefined) {
      tokens = new BoundCounters((type) => this.#tokens.with(model, tenant, type));
      byTenant.set(tenant, tokens);
    }
    if (usage.promptTokens !== undefined) tokens.get('input').inc(usage.promptTokens);
    if (usage.cachedTokens !== undefined) tokens.get('cached_input').inc(usage.cachedTokens);
    if (usage.cacheWriteTokens !== undefined) tokens.get('cache_write').inc(usage.cacheWriteTokens);
    if (usage.completionTokens !== undefined) tokens.get('output').inc(usage.completionTokens);
    if (usage.reasoningTokens !== undefined) tokens.get('reasoning').inc(usage.reasoningTokens);
    if (usage.estimated === true) return;
    const series = this.#usageSeries(model, streamInfo);
    if (usage.promptTokens !== undefined) series.input.observe(usage.promptTokens);
    if (usage.completionTokens !== undefined) series.output.observe(usage.completionTokens);
  }

  #usageSeries(model: string, streamInfo: StreamInfo): UsageSeries {
    const provider = providerOf(streamInfo.attempts.at(-1)?.worker);
    const api = streamInfo.api?.type ?? 'other';
    const operation = OPERATIONS[api] ?? api;
    const byOperation = childMap(childMap(this.#usageOf, model), provider);
    let series = byOperation.get(operation);
    if (series === undefined) {
      series = {
        input: this.#usage.with(operation, provider, model, 'input'),
        output: this.#usage.with(operation, provider, model, 'output'),
      };
      byOperation.set(operation, series);
    }
    return series;
  }
}

/** A cloud API, or the engine that the worker runs. */
function providerOf(worker: Worker | undefined): string {
  if (worker === undefined) return 'unknown';
  const { provider, runtime } = worker;
  const name = provider ?? runtime;
  return PROVIDERS[name] ?? name;
}
