import { type Endpoint, infoEndpoint } from './endpoint.js';
import type { SimExchange } from './exchange.js';
import type { SimEngine } from './sim-engine.js';

/** Version that the engine claims to be. */
export const SIMULATED_VLLM_VERSION = '0.32.0';

/** vLLM's own paths, beside the OpenAI ones. */
export const VLLM_ENDPOINTS: readonly Endpoint[] = [
  infoEndpoint('GET', '/version', (_engine, exchange) => exchange.sendJson(200, { version: SIMULATED_VLLM_VERSION })),
  infoEndpoint('GET', '/load', (engine, exchange) => exchange.sendJson(200, { server_load: engine.stats().inFlight })),
  infoEndpoint('GET', '/ping', (_engine, exchange) => exchange.sendBytes(200, 'text/plain', Buffer.alloc(0))),
];

/** One line of an exposition: name without prefix, type, help, value. */
type Sample = readonly [name: string, type: 'gauge' | 'counter', help: string, value: number];

/** `GET /metrics` of an engine, with the names and labels of its runtime. */
export function sendMetrics(engine: SimEngine, exchange: SimExchange): void {
  const isVllm = engine.config.runtime === 'vllm';
  const samples = isVllm ? vllmSamples(engine) : sglangSamples(engine);
  const prefix = isVllm ? 'vllm:' : 'sglang:';
  const model = engine.model.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  const labels = isVllm ? `{engine="0",model_name="${model}"}` : `{engine_type="unified",model_name="${model}"}`;
  let text = '';
  for (const [name, type, help, value] of samples) {
    text += `# HELP ${prefix}${name} ${help}\n# TYPE ${prefix}${name} ${type}\n${prefix}${name}${labels} ${value}\n`;
  }
  exchange.sendBytes(200, 'text/plain; version=0.0.4; charset=utf-8', Buffer.from(text));
}

function vllmSamples(engine: SimEngine): Sample[] {
  const { loads, totals, completed } = engine.stats();
  return [
    ['num_requests_running', 'gauge', 'Requests in the batch.', loads.running],
    ['num_requests_waiting', 'gauge', 'Requests in the queue.', loads.waiting],
    ['kv_cache_usage_perc', 'gauge', 'Share of KV memory in use, 0 to 1.', loads.tokenUsage],
    ['prefix_cache_queries_total', 'counter', 'Prompt tokens looked up in the prefix cache.', totals.promptTokens],
    ['prefix_cache_hits_total', 'counter', 'Prompt tokens found in the prefix cache.', totals.cachedTokens],
    ['num_preemptions_total', 'counter', 'Requests that lost their memory to an older one.', totals.preemptions],
    ['prompt_tokens_total', 'counter', 'Prompt tokens read.', totals.promptTokens],
    ['generation_tokens_total', 'counter', 'Tokens generated.', totals.outputTokens],
    ['request_success_total', 'counter', 'Requests answered.', completed],
  ];
}

function sglangSamples(engine: SimEngine): Sample[] {
  const { loads, totals, completed } = engine.stats();
  return [
    ['num_running_reqs', 'gauge', 'Requests in the batch.', loads.running],
    ['num_queue_reqs', 'gauge', 'Requests in the queue.', loads.waiting],
    ['num_used_tokens', 'gauge', 'KV tokens in use.', loads.usedTokens],
    ['token_usage', 'gauge', 'Share of KV memory in use, 0 to 1.', loads.tokenUsage],
    ['gen_throughput', 'gauge', 'Tokens generated per second, smoothed.', loads.throughput],
    ['cache_hit_rate', 'gauge', 'Share of prompt tokens found in the prefix cache, smoothed.', loads.cacheHitRate],
    ['utilization', 'gauge', 'Running requests as a share of the most that can run.', loads.running / loads.maxRunning],
    ['max_total_num_tokens', 'gauge', 'KV memory in tokens.', loads.capacityTokens],
    ['prompt_tokens_total', 'counter', 'Prompt tokens read.', totals.promptTokens],
    ['generation_tokens_total', 'counter', 'Tokens generated.', totals.outputTokens],
    ['cached_tokens_total', 'counter', 'Prompt tokens found in the prefix cache.', totals.cachedTokens],
    ['num_requests_total', 'counter', 'Requests answered.', completed],
  ];
}
