import { Answer, type AnswerRenderer } from './answer.js';
import type { SimExchange } from './exchange.js';
import { planOutput } from './output-plan.js';
import { RequestRejected } from './rejection.js';
import { readExactTokens, readPace } from './request-fields.js';
import type { SimEngine } from './sim-engine.js';
import { hashIds, mix, tokenize } from './text.js';

/** What every generating endpoint asks for, whatever its dialect. */
export interface GenerationRequest {
  /** Text or pseudo token ids; several make a batch. */
  readonly prompts: readonly (string | Uint32Array)[];
  /** Choices per prompt. */
  readonly choices: number;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
  /** The request's own seed; 0 when it has none. */
  readonly seed: number;
  /** For `echo` mode. */
  readonly lastUserText: string;
  readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[];
}

/**
 * Plans and starts an answer; `renderer` writes it when its tokens come. Throws RequestRejected, before anything is
 * started, when it would be longer than the context or than the KV memory.
 */
export function generate(
  engine: SimEngine,
  exchange: SimExchange,
  request: GenerationRequest,
  renderer: AnswerRenderer,
): void {
  const { config } = engine;
  const answer = new Answer(exchange, renderer);
  const pace = readPace(exchange, config);
  const exactTokens = readExactTokens(exchange.headers);
  const source = {
    mode: config.text ?? (config.reply === undefined ? 'words' : 'fixed'),
    reply: config.reply ?? '',
    minTokens: config.output_tokens.min,
    maxTokens: config.output_tokens.max,
  } as const;
  for (const prompt of request.prompts) {
    const ids = typeof prompt === 'string' ? tokenize(prompt) : prompt;
    const room = roomFor(engine, ids.length, request.maxTokens);
    const promptSeed = mix(hashIds(ids), config.seed + request.seed);
    for (let n = 0; n < request.choices; n++) {
      const plan = planOutput({
        source,
        seed: mix(promptSeed, n),
        lastUserText: request.lastUserText,
        maxTokens: Math.min(room, request.maxTokens ?? room),
        ignoreEos: request.ignoreEos && request.maxTokens !== undefined,
        exactTokens,
        stop: request.stop,
        toolCalls: request.toolCalls,
      });
      answer.addChoice(plan, ids, pace);
    }
  }
  engine.submit(answer);
}

/** Tokens that an answer to a prompt of that length may have. */
function roomFor(engine: SimEngine, promptTokens: number, maxTokens: number | undefined): number {
  const { context_length: contextLength, kv_blocks: blocks, kv_block_size: blockSize } = engine.config;
  const limit = Math.min(contextLength, blocks * blockSize);
  const room = limit - promptTokens;
  if (room >= Math.max(1, maxTokens ?? 1)) return room;
  throw new RequestRejected(
    400,
    `This model's maximum context length is ${limit} tokens. However, you requested ${maxTokens ?? 1} output tokens ` +
      `and your prompt contains ${promptTokens} input tokens. Please reduce the length of the input prompt or the ` +
      'number of requested output tokens.',
    'input_tokens',
  );
}
