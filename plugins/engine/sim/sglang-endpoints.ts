import type { JsonObject } from '../../../core/api/inference.js';
import type { Answer, AnswerRenderer, Choice } from './answer.js';
import { WholeAnswer } from './chat-endpoint.js';
import { type Endpoint, inferenceEndpoint, infoEndpoint } from './endpoint.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import { RequestRejected } from './rejection.js';
import { readCount, readFlag, readObject, readPrompts, readStop } from './request-fields.js';
import { readEach } from './scoring-endpoints.js';
import type { SimEngine } from './sim-engine.js';

/** Version that the engine claims to be. */
export const SIMULATED_SGLANG_VERSION = '0.5.4';
const DEFAULT_MAX_NEW_TOKENS = 128;

/** SGLang's own paths, beside the OpenAI ones. */
export const SGLANG_ENDPOINTS: readonly Endpoint[] = [
  inferenceEndpoint('/generate', handleGenerate, 'generate'),
  infoEndpoint('GET', '/get_server_info', sendServerInfo),
  infoEndpoint('GET', '/server_info', sendServerInfo),
  infoEndpoint('GET', '/get_model_info', sendModelInfo),
  infoEndpoint('GET', '/model_info', sendModelInfo),
  infoEndpoint('GET', '/get_load', sendLoad),
  infoEndpoint('GET', '/v1/loads', sendLoads),
  infoEndpoint('GET', '/health_generate', (engine, exchange) => {
    if (!engine.healthy) exchange.sendBytes(503, 'text/plain', Buffer.alloc(0));
    else readEach(engine, exchange, ['health'], () => ({ status: 'ok' }));
  }),
  infoEndpoint('GET', '/flush_cache', flushCache),
  infoEndpoint('POST', '/flush_cache', flushCache),
];

function flushCache(engine: SimEngine, exchange: SimExchange): void {
  engine.scheduler.flushCache();
  const text =
    'Cache flushed.\nPlease check backend logs for more details. (When there are running requests, only idle cache goes.)\n';
  exchange.sendBytes(200, 'text/plain; charset=utf-8', Buffer.from(text));
}

function sendServerInfo(engine: SimEngine, exchange: SimExchange): void {
  const { config } = engine;
  const loads = engine.scheduler.loads();
  exchange.sendJson(200, {
    model_path: engine.model,
    tokenizer_path: engine.model,
    served_model_name: engine.model,
    host: config.host,
    tp_size: 1,
    dp_size: 1,
    pp_size: 1,
    page_size: config.kv_block_size,
    random_seed: config.seed,
    load_balance_method: 'round_robin',
    disaggregation_mode: 'null',
    is_embedding: false,
    context_length: config.context_length,
    max_total_num_tokens: loads.capacityTokens,
    max_running_requests: loads.maxRunning,
    disable_radix_cache: !config.prefix_cache,
    weight_version: 'default',
    status: 'ready',
    version: SIMULATED_SGLANG_VERSION,
    internal_states: [
      { last_gen_throughput: loads.throughput, effective_max_running_requests_per_dp: loads.maxRunning },
    ],
  });
}

function sendModelInfo(engine: SimEngine, exchange: SimExchange): void {
  exchange.sendJson(200, {
    model_path: engine.model,
    tokenizer_path: engine.model,
    is_generation: true,
    preferred_sampling_params: null,
    weight_version: 'default',
    has_image_understanding: false,
    has_audio_understanding: false,
    model_type: 'simulated',
    architectures: ['SimulatedForCausalLM'],
  });
}

function sendLoad(engine: SimEngine, exchange: SimExchange): void {
  const loads = engine.scheduler.loads();
  exchange.sendJson(200, [
    {
      dp_rank: 0,
      num_reqs: loads.running + loads.waiting,
      num_waiting_reqs: loads.waiting,
      num_tokens: loads.usedTokens + loads.waitingUncachedTokens,
    },
  ]);
}

function sendLoads(engine: SimEngine, exchange: SimExchange): void {
  const loads = engine.scheduler.loads();
  exchange.sendJson(200, {
    timestamp: new Date(engine.clock.nowMs()).toISOString(),
    version: SIMULATED_SGLANG_VERSION,
    dp_rank_count: 1,
    loads: [
      {
        dp_rank: 0,
        num_running_reqs: loads.running,
        num_waiting_reqs: loads.waiting,
        num_waiting_uncached_tokens: loads.waitingUncachedTokens,
        num_total_reqs: loads.running + loads.waiting,
        num_used_tokens: loads.usedTokens,
        max_total_num_tokens: loads.capacityTokens,
        token_usage: loads.tokenUsage,
        gen_throughput: loads.throughput,
        cache_hit_rate: loads.cacheHitRate,
        utilization: loads.running / loads.maxRunning,
        max_running_requests: loads.maxRunning,
      },
    ],
  });
}

function handleGenerate(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const given = body.text ?? body.input_ids;
  if (given === undefined || given === null || (body.text != null && body.input_ids != null)) {
    throw new RequestRejected(400, 'Either text, input_ids or input_embeds should be provided.');
  }
  const parameters = readObject(body, 'sampling_params') ?? {};
  const prompts = readPrompts(given, body.text === undefined ? 'input_ids' : 'text');
  const choices = readCount(parameters, 'n', 1) ?? 1;
  const isBatch = prompts.length > 1 || choices > 1 || (Array.isArray(given) && typeof given[0] !== 'number');
  const reply = new GenerateReply(engine, body, choices, isBatch);
  const exact = exchange.headers.has('x-sim-output-tokens');
  generate(
    engine,
    exchange,
    {
      prompts,
      choices,
      maxTokens: readCount(parameters, 'max_new_tokens', 1) ?? (exact ? undefined : DEFAULT_MAX_NEW_TOKENS),
      stop: readStop(parameters.stop),
      ignoreEos: readFlag(parameters, 'ignore_eos'),
      seed: readCount(parameters, 'sampling_seed', Number.MIN_SAFE_INTEGER) ?? 0,
      lastUserText: typeof prompts[0] === 'string' ? prompts[0] : '',
      toolCalls: [],
    },
    readFlag(body, 'stream')
      ? new GenerateStream(exchange, reply)
      : new WholeAnswer((answer) => exchange.sendJson(200, reply.whole(answer))),
  );
}

/** Bodies of one `/generate` answer. */
class GenerateReply {
  readonly isBatch: boolean;
  readonly #engine: SimEngine;
  readonly #ids: readonly unknown[];
  readonly #singleId: string;
  readonly #startedMs: number;
  readonly #choices: number;

  constructor(engine: SimEngine, body: JsonObject, choices: number, isBatch: boolean) {
    this.isBatch = isBatch;
    this.#engine = engine;
    this.#ids = Array.isArray(body.rid) ? body.rid : [];
    const rid = typeof body.rid === 'string' ? body.rid : engine.createId('');
    this.#singleId = rid;
    this.#startedMs = engine.clock.monotonicMs();
    this.#choices = choices;
  }

  whole(answer: Answer): JsonObject | JsonObject[] {
    const results = answer.choices.map((choice) => ({
      text: choice.text,
      output_ids: outputIds(choice, 0, choice.plan.tokens),
      meta_info: this.metaInfo(choice, choice.plan.tokens),
    }));
    return this.isBatch ? results : (results[0] as JsonObject);
  }

  /** Facts after `tokens` tokens. */
  metaInfo(choice: Choice, tokens: number): JsonObject {
    const { plan } = choice;
    const finished = tokens === plan.tokens;
    const matched = plan.matchedStop === undefined ? {} : { matched: plan.matchedStop };
    const reason = plan.finish === 'length' ? { type: 'length', length: plan.tokens } : { type: 'stop', ...matched };
    const id = this.#ids[Math.floor(choice.index / this.#choices)] ?? this.#singleId;
    return {
      id: this.isBatch && this.#ids.length === 0 ? `${String(id)}-${choice.index}` : id,
      finish_reason: finished ? reason : null,
      prompt_tokens: choice.promptIds.length,
      weight_version: 'default',
      completion_tokens: tokens,
      cached_tokens: choice.cachedTokens,
      ...(finished ? { e2e_latency: (this.#engine.clock.monotonicMs() - this.#startedMs) / 1_000 } : {}),
    };
  }
}

function outputIds(choice: Choice, from: number, to: number): number[] {
  const ids: number[] = [];
  for (let index = from; index < to; index++) ids.push(choice.plan.idAt(index));
  return ids;
}

/** Chunks of a streamed `/generate`: the text so far, each time; one chunk per token. */
class GenerateStream implements AnswerRenderer {
  readonly streamed = true;
  readonly #exchange: SimExchange;
  readonly #reply: GenerateReply;
  readonly #texts: string[] = [];

  constructor(exchange: SimExchange, reply: GenerateReply) {
    this.#exchange = exchange;
    this.#reply = reply;
  }

  begin(): void {
    this.#exchange.startEvents();
  }

  tokens(choice: Choice, from: number, to: number): void {
    let text = this.#texts[choice.index] ?? '';
    for (let index = from; index < to; index++) {
      text += choice.plan.pieceAt(index);
      const chunk: JsonObject = {
        text,
        output_ids: outputIds(choice, index, index + 1),
        meta_info: this.#reply.metaInfo(choice, index + 1),
      };
      if (this.#reply.isBatch) chunk.index = choice.index;
      this.#exchange.writeEvent(`data: ${JSON.stringify(chunk)}\n\n`);
    }
    this.#texts[choice.index] = text;
  }

  finish(): void {}

  end(): void {
    this.#exchange.writeEvent('data: [DONE]\n\n');
    this.#exchange.endEvents();
  }
}
