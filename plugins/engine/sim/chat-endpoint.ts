import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import type { Answer, AnswerRenderer, AnswerUsage, Choice } from './answer.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import { RequestRejected } from './rejection.js';
import {
  contentText,
  invalid,
  missing,
  readCount,
  readFlag,
  readList,
  readModel,
  readObject,
  readStop,
} from './request-fields.js';
import type { SimEngine } from './sim-engine.js';
import { chooseToolCalls, type OfferedTool, type ToolChoice } from './tool-calls.js';

/** `POST /v1/chat/completions`, streamed and not. */
export function handleChat(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const messages = readList(body, 'messages');
  const model = readModel(engine, body);
  if (messages.length === 0) throw new RequestRejected(400, 'Provide at least one message.', 'messages');
  const stream = readFlag(body, 'stream');
  const options = readObject(body, 'stream_options');
  if (options !== undefined && !stream) {
    throw new RequestRejected(400, 'Stream options can only be defined when `stream=True`.', 'stream_options');
  }
  const choices = readCount(body, 'n', 1) ?? 1;
  const reply = new ChatReply(engine, model, choices, options?.include_usage === true);
  generate(
    engine,
    exchange,
    {
      prompts: [chatPrompt(messages, body.tools)],
      choices,
      maxTokens: readCount(body, 'max_completion_tokens', 1) ?? readCount(body, 'max_tokens', 1),
      stop: readStop(body.stop),
      ignoreEos: readFlag(body, 'ignore_eos'),
      seed: readCount(body, 'seed', Number.MIN_SAFE_INTEGER) ?? 0,
      lastUserText: lastUserText(messages),
      toolCalls: chatToolCalls(engine, body, messages),
    },
    stream ? new ChatStream(exchange, reply) : new WholeAnswer((answer) => exchange.sendJson(200, reply.whole(answer))),
  );
}

/** Renders an answer that goes out in one piece. */
export class WholeAnswer implements AnswerRenderer {
  readonly streamed = false;
  readonly #send: (answer: Answer) => void;

  constructor(send: (answer: Answer) => void) {
    this.#send = send;
  }

  begin(): void {}
  tokens(): void {}
  finish(): void {}

  end(answer: Answer): void {
    this.#send(answer);
  }
}

/** Text that stands for the rendered chat template. Roles mark their messages, so that prefixes match by turns. */
export function chatPrompt(messages: readonly unknown[], tools: unknown): string {
  let prompt = Array.isArray(tools) && tools.length > 0 ? `<|tools|>\n${JSON.stringify(tools)}\n` : '';
  for (const message of messages) {
    if (!isJsonObject(message)) throw invalid('messages', 'Input should be a valid dictionary');
    const calls = message.tool_calls === undefined ? '' : JSON.stringify(message.tool_calls);
    prompt += `<|${String(message.role)}|>\n${contentText(message.content)}${calls}\n`;
  }
  return `${prompt}<|assistant|>\n`;
}

/** Text of the last message, when a user wrote it; empty after a tool's result. */
export function lastUserText(messages: readonly unknown[]): string {
  const last = messages.at(-1);
  return isJsonObject(last) && last.role === 'user' ? contentText(last.content) : '';
}

function chatToolCalls(engine: SimEngine, body: JsonObject, messages: readonly unknown[]) {
  const tools: OfferedTool[] = [];
  for (const tool of Array.isArray(body.tools) ? body.tools : []) {
    const definition: unknown = isJsonObject(tool) ? tool.function : undefined;
    if (!isJsonObject(definition) || typeof definition.name !== 'string') throw missing('tools.function.name');
    tools.push({ name: definition.name, parameters: isJsonObject(definition.parameters) ? definition.parameters : {} });
  }
  return chooseToolCalls(tools, readToolChoice(body.tool_choice), lastUserText(messages), engine.config.tool_trigger);
}

function readToolChoice(value: unknown): ToolChoice {
  if (value === undefined || value === null || value === 'auto') return 'auto';
  if (value === 'none' || value === 'required') return value;
  const name: unknown = isJsonObject(value) && isJsonObject(value.function) ? value.function.name : undefined;
  if (typeof name !== 'string') throw invalid('tool_choice', 'Input should be none, auto, required or a function');
  return { name };
}

/** Usage in OpenAI's words. */
export function openaiUsage(usage: AnswerUsage): JsonObject {
  return {
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    completion_tokens: usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens },
  };
}

/** How a runtime names the stop string that ended a choice. */
export function stopField(engine: SimEngine, choice: Choice): JsonObject {
  if (engine.config.runtime === 'openai') return {};
  const name = engine.config.runtime === 'vllm' ? 'stop_reason' : 'matched_stop';
  return { [name]: choice.plan.matchedStop ?? null };
}

/** Bodies of one chat completion. */
class ChatReply {
  readonly engine: SimEngine;
  readonly includeUsage: boolean;
  readonly choicesPerPrompt: number;
  readonly head: JsonObject;
  readonly #common: JsonObject;

  constructor(engine: SimEngine, model: string, choicesPerPrompt: number, includeUsage: boolean) {
    this.engine = engine;
    this.includeUsage = includeUsage;
    this.choicesPerPrompt = choicesPerPrompt;
    this.#common = { created: Math.floor(engine.clock.nowMs() / 1_000), model };
    this.head = { id: engine.createId('chatcmpl-'), object: 'chat.completion.chunk', ...this.#common };
  }

  whole(answer: Answer): JsonObject {
    const choices = answer.choices.map((choice) => ({
      index: choice.index,
      message: this.#message(choice),
      logprobs: null,
      finish_reason: choice.plan.finish,
      ...stopField(this.engine, choice),
    }));
    const usage = openaiUsage(answer.usage(this.choicesPerPrompt));
    return { id: this.head.id, object: 'chat.completion', ...this.#common, choices, usage };
  }

  #message(choice: Choice): JsonObject {
    const { toolCalls } = choice.plan;
    const rest = this.engine.config.runtime === 'sglang' ? { reasoning_content: null } : { refusal: null };
    if (toolCalls.length === 0) return { role: 'assistant', content: choice.text, ...rest, tool_calls: undefined };
    return {
      role: 'assistant',
      content: null,
      ...rest,
      tool_calls: toolCalls.map((call, index) => ({
        id: this.callId(choice, index),
        type: 'function',
        function: { name: call.name, arguments: choice.plan.textBetween(call.firstPiece, call.endPiece) },
      })),
    };
  }

  callId(choice: Choice, index: number): string {
    return `call_${String(this.head.id).slice(-16)}_${choice.index}_${index}`;
  }
}

/** Chunks of one streamed chat completion. */
class ChatStream implements AnswerRenderer {
  readonly streamed = true;
  readonly #exchange: SimExchange;
  readonly #reply: ChatReply;
  /** Everything of a chunk up to the choice's index. */
  readonly #prefix: string;

  constructor(exchange: SimExchange, reply: ChatReply) {
    this.#exchange = exchange;
    this.#reply = reply;
    this.#prefix = `data: ${JSON.stringify(reply.head).slice(0, -1)},"choices":[{"index":`;
  }

  begin(answer: Answer): void {
    this.#exchange.startEvents();
    for (const choice of answer.choices)
      this.#chunk(choice, '{"role":"assistant","content":""}', '"finish_reason":null');
  }

  tokens(choice: Choice, from: number, to: number): void {
    const { plan } = choice;
    for (let index = from; index < to; index++) {
      const piece = JSON.stringify(plan.pieceAt(index));
      if (plan.toolCalls.length > 0) this.#toolDelta(choice, index, piece);
      else if (piece !== '""') this.#chunk(choice, `{"content":${piece}}`, '"finish_reason":null');
    }
  }

  finish(choice: Choice): void {
    const stop = JSON.stringify(stopField(this.#reply.engine, choice)).slice(1, -1);
    this.#chunk(choice, '{}', `"finish_reason":"${choice.plan.finish}"${stop === '' ? '' : `,${stop}`}`);
  }

  end(answer: Answer): void {
    if (this.#reply.includeUsage) {
      const usage = openaiUsage(answer.usage(this.#reply.choicesPerPrompt));
      this.#exchange.writeEvent(`data: ${JSON.stringify({ ...this.#reply.head, choices: [], usage })}\n\n`);
    }
    this.#exchange.writeEvent('data: [DONE]\n\n');
    this.#exchange.endEvents();
  }

  #toolDelta(choice: Choice, index: number, piece: string): void {
    choice.plan.toolCalls.forEach((call, callIndex) => {
      if (index < call.firstPiece || index >= call.endPiece) return;
      if (index === call.firstPiece) {
        const start = {
          index: callIndex,
          id: this.#reply.callId(choice, callIndex),
          type: 'function',
          function: { name: call.name, arguments: '' },
        };
        this.#chunk(choice, JSON.stringify({ tool_calls: [start] }), '"finish_reason":null');
      }
      const delta = `{"tool_calls":[{"index":${callIndex},"function":{"arguments":${piece}}}]}`;
      this.#chunk(choice, delta, '"finish_reason":null');
    });
  }

  #chunk(choice: Choice, delta: string, finish: string): void {
    this.#exchange.writeEvent(`${this.#prefix}${choice.index},"delta":${delta},"logprobs":null,${finish}}]}\n\n`);
  }
}
