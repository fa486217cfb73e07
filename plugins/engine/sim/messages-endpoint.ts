import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import type { Answer, AnswerRenderer, AnswerUsage, Choice } from './answer.js';
import { chatPrompt, lastUserText, WholeAnswer } from './chat-endpoint.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import type { PlannedFinish } from './output-plan.js';
import { RequestRejected } from './rejection.js';
import { contentText, invalid, missing, readCount, readFlag, readList, readModel, readStop } from './request-fields.js';
import type { SimEngine } from './sim-engine.js';
import { tokenize } from './text.js';
import { chooseToolCalls, type OfferedTool, type ToolChoice } from './tool-calls.js';

const STOP_REASONS: Readonly<Record<PlannedFinish, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
};

/** `POST /v1/messages` in Anthropic's dialect, streamed and not. */
export function handleMessages(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const messages = readList(body, 'messages');
  const model = readModel(engine, body);
  if (messages.length === 0) throw new RequestRejected(400, 'messages: at least one message is required', 'messages');
  const maxTokens = readCount(body, 'max_tokens', 1);
  if (maxTokens === undefined) throw missing('max_tokens');
  const reply = new MessageReply(engine.createId('msg_'), model);
  generate(
    engine,
    exchange,
    {
      prompts: [messagesPrompt(body, messages)],
      choices: 1,
      maxTokens,
      stop: readStop(body.stop_sequences, 'stop_sequences'),
      ignoreEos: readFlag(body, 'ignore_eos'),
      seed: 0,
      lastUserText: lastUserText(messages),
      toolCalls: messageToolCalls(engine, body, messages),
    },
    readFlag(body, 'stream')
      ? new MessageStream(exchange, reply)
      : new WholeAnswer((answer) => exchange.sendJson(200, reply.whole(answer))),
  );
}

/** `POST /v1/messages/count_tokens`. */
export function handleCountTokens(_engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  exchange.sendJson(200, { input_tokens: tokenize(messagesPrompt(body, readList(body, 'messages'))).length });
}

function messagesPrompt(body: JsonObject, messages: readonly unknown[]): string {
  const system = contentText(body.system);
  return chatPrompt(system === '' ? messages : [{ role: 'system', content: system }, ...messages], body.tools);
}

function messageToolCalls(engine: SimEngine, body: JsonObject, messages: readonly unknown[]) {
  const tools: OfferedTool[] = [];
  for (const tool of Array.isArray(body.tools) ? body.tools : []) {
    if (!isJsonObject(tool) || typeof tool.name !== 'string') throw missing('tools.name');
    tools.push({ name: tool.name, parameters: isJsonObject(tool.input_schema) ? tool.input_schema : {} });
  }
  const last = messages.at(-1);
  const hasResult =
    isJsonObject(last) &&
    Array.isArray(last.content) &&
    last.content.some((part) => isJsonObject(part) && part.type === 'tool_result');
  const choice = readToolChoice(body.tool_choice);
  return chooseToolCalls(tools, choice, hasResult ? '' : lastUserText(messages), engine.config.tool_trigger);
}

function readToolChoice(value: unknown): ToolChoice {
  if (value === undefined || value === null) return 'auto';
  if (!isJsonObject(value)) throw invalid('tool_choice', 'Input should be a valid dictionary');
  if (value.type === 'none' || value.type === 'auto') return value.type;
  if (value.type === 'tool' && typeof value.name === 'string') return { name: value.name };
  return 'required';
}

function messageUsage(usage: AnswerUsage): JsonObject {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens,
    output_tokens: usage.completionTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
  };
}

/** Bodies of one message. */
class MessageReply {
  readonly id: string;
  readonly model: string;

  constructor(id: string, model: string) {
    this.id = id;
    this.model = model;
  }

  whole(answer: Answer): JsonObject {
    const choice = answer.choices[0] as Choice;
    return {
      ...this.envelope(),
      content: this.#content(choice),
      ...this.stop(choice),
      usage: messageUsage(answer.usage(1)),
    };
  }

  envelope(): JsonObject {
    return { id: this.id, type: 'message', role: 'assistant', model: this.model };
  }

  stop(choice: Choice): JsonObject {
    const { matchedStop, finish } = choice.plan;
    return {
      stop_reason: matchedStop === undefined ? STOP_REASONS[finish] : 'stop_sequence',
      stop_sequence: matchedStop ?? null,
    };
  }

  toolId(index: number): string {
    return `toolu_${this.id.slice(4)}${index}`;
  }

  #content(choice: Choice): JsonObject[] {
    const { toolCalls } = choice.plan;
    if (toolCalls.length === 0) return [{ type: 'text', text: choice.text }];
    return toolCalls.map((call, index) => ({
      type: 'tool_use',
      id: this.toolId(index),
      name: call.name,
      input: JSON.parse(call.arguments) as unknown,
    }));
  }
}

/** Named events of one streamed message. */
class MessageStream implements AnswerRenderer {
  readonly streamed = true;
  readonly #exchange: SimExchange;
  readonly #reply: MessageReply;
  /** Index of the open content block; −1 before the first. */
  #block = -1;

  constructor(exchange: SimExchange, reply: MessageReply) {
    this.#exchange = exchange;
    this.#reply = reply;
  }

  begin(answer: Answer): void {
    this.#exchange.startEvents();
    const usage = { ...messageUsage(answer.usage(1)), output_tokens: 0 };
    const message = { ...this.#reply.envelope(), content: [], stop_reason: null, stop_sequence: null, usage };
    this.#event('message_start', { message });
    if (answer.choices[0]?.plan.toolCalls.length === 0) this.#openBlock({ type: 'text', text: '' });
  }

  tokens(choice: Choice, from: number, to: number): void {
    const { plan } = choice;
    for (let index = from; index < to; index++) {
      const piece = plan.pieceAt(index);
      if (plan.toolCalls.length === 0) {
        if (piece !== '') this.#delta({ type: 'text_delta', text: piece });
        continue;
      }
      const callIndex = plan.toolCalls.findIndex((call) => index < call.endPiece);
      const call = plan.toolCalls[callIndex];
      if (call !== undefined && index === call.firstPiece) {
        this.#openBlock({ type: 'tool_use', id: this.#reply.toolId(callIndex), name: call.name, input: {} });
      }
      this.#delta({ type: 'input_json_delta', partial_json: piece });
    }
  }

  finish(): void {
    this.#event('content_block_stop', { index: this.#block });
  }

  end(answer: Answer): void {
    const choice = answer.choices[0] as Choice;
    this.#event('message_delta', { delta: this.#reply.stop(choice), usage: messageUsage(answer.usage(1)) });
    this.#event('message_stop', {});
    this.#exchange.endEvents();
  }

  #openBlock(block: JsonObject): void {
    if (this.#block >= 0) this.#event('content_block_stop', { index: this.#block });
    this.#block += 1;
    this.#event('content_block_start', { index: this.#block, content_block: block });
  }

  #delta(delta: JsonObject): void {
    this.#event('content_block_delta', { index: this.#block, delta });
  }

  #event(type: string, fields: JsonObject): void {
    this.#exchange.writeEvent(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  }
}
