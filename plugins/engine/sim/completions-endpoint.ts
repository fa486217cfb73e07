import type { JsonObject } from '../../../core/api/inference.js';
import type { Answer, AnswerRenderer, Choice } from './answer.js';
import { openaiUsage, stopField, WholeAnswer } from './chat-endpoint.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import { RequestRejected } from './rejection.js';
import { missing, readCount, readFlag, readModel, readObject, readPrompts, readStop } from './request-fields.js';
import type { SimEngine } from './sim-engine.js';

/** Tokens of an answer when the request names no limit, as this API has always done. */
const DEFAULT_MAX_TOKENS = 16;

/** `POST /v1/completions`, streamed and not, for one prompt or several. */
export function handleCompletions(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const model = readModel(engine, body);
  if (body.prompt === undefined) throw missing('prompt');
  const prompts = readPrompts(body.prompt, 'prompt');
  const stream = readFlag(body, 'stream');
  const options = readObject(body, 'stream_options');
  if (options !== undefined && !stream) {
    throw new RequestRejected(400, 'Stream options can only be defined when `stream=True`.', 'stream_options');
  }
  const choices = readCount(body, 'n', 1) ?? 1;
  const echoed = readFlag(body, 'echo') ? prompts.map((prompt) => (typeof prompt === 'string' ? prompt : '')) : [];
  const reply = new CompletionReply(engine, model, choices, echoed, options?.include_usage === true);
  generate(
    engine,
    exchange,
    {
      prompts,
      choices,
      maxTokens: readCount(body, 'max_tokens', 1) ?? defaultMaxTokens(exchange),
      stop: readStop(body.stop),
      ignoreEos: readFlag(body, 'ignore_eos'),
      seed: readCount(body, 'seed', Number.MIN_SAFE_INTEGER) ?? 0,
      lastUserText: typeof prompts[0] === 'string' ? prompts[0] : '',
      toolCalls: [],
    },
    stream
      ? new CompletionStream(exchange, reply)
      : new WholeAnswer((answer) => exchange.sendJson(200, reply.whole(answer))),
  );
}

/** A length that is asked for by header is not cut to the default. */
function defaultMaxTokens(exchange: SimExchange): number | undefined {
  return exchange.headers.has('x-sim-output-tokens') ? undefined : DEFAULT_MAX_TOKENS;
}

/** Bodies of one text completion. */
class CompletionReply {
  readonly engine: SimEngine;
  readonly head: JsonObject;
  readonly choicesPerPrompt: number;
  readonly includeUsage: boolean;
  readonly #echoed: readonly string[];

  constructor(engine: SimEngine, model: string, choices: number, echoed: readonly string[], includeUsage: boolean) {
    this.engine = engine;
    this.choicesPerPrompt = choices;
    this.includeUsage = includeUsage;
    this.#echoed = echoed;
    const created = Math.floor(engine.clock.nowMs() / 1_000);
    this.head = { id: engine.createId('cmpl-'), object: 'text_completion', created, model };
  }

  /** Prompt in front of a choice's text, when `echo` was asked. */
  echo(choice: Choice): string {
    return this.#echoed[Math.floor(choice.index / this.choicesPerPrompt)] ?? '';
  }

  whole(answer: Answer): JsonObject {
    const choices = answer.choices.map((choice) => ({
      index: choice.index,
      text: this.echo(choice) + choice.text,
      logprobs: null,
      finish_reason: choice.plan.finish,
      ...stopField(this.engine, choice),
    }));
    return { ...this.head, choices, usage: openaiUsage(answer.usage(this.choicesPerPrompt)) };
  }
}

/** Chunks of one streamed text completion. */
class CompletionStream implements AnswerRenderer {
  readonly streamed = true;
  readonly #exchange: SimExchange;
  readonly #reply: CompletionReply;
  readonly #prefix: string;

  constructor(exchange: SimExchange, reply: CompletionReply) {
    this.#exchange = exchange;
    this.#reply = reply;
    this.#prefix = `data: ${JSON.stringify(reply.head).slice(0, -1)},"choices":[{"index":`;
  }

  begin(answer: Answer): void {
    this.#exchange.startEvents();
    for (const choice of answer.choices) {
      const echo = this.#reply.echo(choice);
      if (echo !== '') this.#chunk(choice, echo, '"finish_reason":null');
    }
  }

  tokens(choice: Choice, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const piece = choice.plan.pieceAt(index);
      if (piece !== '') this.#chunk(choice, piece, '"finish_reason":null');
    }
  }

  finish(choice: Choice): void {
    const stop = JSON.stringify(stopField(this.#reply.engine, choice)).slice(1, -1);
    this.#chunk(choice, '', `"finish_reason":"${choice.plan.finish}"${stop === '' ? '' : `,${stop}`}`);
  }

  end(answer: Answer): void {
    if (this.#reply.includeUsage) {
      const usage = openaiUsage(answer.usage(this.#reply.choicesPerPrompt));
      this.#exchange.writeEvent(`data: ${JSON.stringify({ ...this.#reply.head, choices: [], usage })}\n\n`);
    }
    this.#exchange.writeEvent('data: [DONE]\n\n');
    this.#exchange.endEvents();
  }

  #chunk(choice: Choice, text: string, finish: string): void {
    const body = `${this.#prefix}${choice.index},"text":${JSON.stringify(text)},"logprobs":null,${finish}}]}`;
    this.#exchange.writeEvent(`${body}\n\n`);
  }
}
