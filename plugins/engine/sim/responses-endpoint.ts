import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import type { Answer, AnswerRenderer, Choice } from './answer.js';
import { chatPrompt, lastUserText, WholeAnswer } from './chat-endpoint.js';
import type { SimExchange } from './exchange.js';
import { generate } from './generation.js';
import { missing, readCount, readFlag, readModel } from './request-fields.js';
import type { SimEngine } from './sim-engine.js';
import { chooseToolCalls, type OfferedTool, type ToolChoice } from './tool-calls.js';

/** `POST /v1/responses`, streamed and not; nothing is stored. */
export function handleResponses(engine: SimEngine, exchange: SimExchange): void {
  const body = exchange.json();
  const model = readModel(engine, body);
  const messages = inputMessages(body);
  const reply = new ResponseReply(engine, body, model);
  generate(
    engine,
    exchange,
    {
      prompts: [chatPrompt(messages, body.tools)],
      choices: 1,
      maxTokens: readCount(body, 'max_output_tokens', 1),
      stop: [],
      ignoreEos: false,
      seed: 0,
      lastUserText: lastUserText(messages),
      toolCalls: responseToolCalls(engine, body, messages),
    },
    readFlag(body, 'stream')
      ? new ResponseStream(exchange, reply)
      : new WholeAnswer((answer) => exchange.sendJson(200, reply.whole(answer))),
  );
}

function inputMessages(body: JsonObject): unknown[] {
  const { input, instructions } = body;
  const messages: unknown[] = typeof instructions === 'string' ? [{ role: 'system', content: instructions }] : [];
  if (typeof input === 'string') messages.push({ role: 'user', content: input });
  else if (Array.isArray(input) && input.length > 0) messages.push(...input);
  else throw missing('input');
  return messages;
}

function responseToolCalls(engine: SimEngine, body: JsonObject, messages: readonly unknown[]) {
  const tools: OfferedTool[] = [];
  for (const tool of Array.isArray(body.tools) ? body.tools : []) {
    if (!isJsonObject(tool) || tool.type !== 'function' || typeof tool.name !== 'string') continue;
    tools.push({ name: tool.name, parameters: isJsonObject(tool.parameters) ? tool.parameters : {} });
  }
  return chooseToolCalls(tools, readToolChoice(body.tool_choice), lastUserText(messages), engine.config.tool_trigger);
}

function readToolChoice(value: unknown): ToolChoice {
  if (value === 'none' || value === 'required') return value;
  return isJsonObject(value) && typeof value.name === 'string' ? { name: value.name } : 'auto';
}

/** Bodies of one response. */
class ResponseReply {
  readonly #id: string;
  readonly #envelope: JsonObject;

  constructor(engine: SimEngine, body: JsonObject, model: string) {
    this.#id = engine.createId('resp_');
    this.#envelope = {
      id: this.#id,
      object: 'response',
      created_at: Math.floor(engine.clock.nowMs() / 1_000),
      model,
      error: null,
      incomplete_details: null,
      instructions: body.instructions ?? null,
      metadata: body.metadata ?? null,
      parallel_tool_calls: body.parallel_tool_calls ?? true,
      temperature: body.temperature ?? 1,
      tool_choice: body.tool_choice ?? 'auto',
      tools: body.tools ?? [],
      top_p: body.top_p ?? 1,
      max_output_tokens: body.max_output_tokens ?? null,
      previous_response_id: body.previous_response_id ?? null,
      store: false,
    };
  }

  /** The response before its first token. */
  started(): JsonObject {
    return { ...this.#envelope, status: 'in_progress', output: [], usage: null };
  }

  whole(answer: Answer): JsonObject {
    const choice = answer.choices[0] as Choice;
    const usage = answer.usage(1);
    const cut = choice.plan.finish === 'length';
    return {
      ...this.#envelope,
      status: cut ? 'incomplete' : 'completed',
      incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
      output: this.items(choice),
      usage: {
        input_tokens: usage.promptTokens,
        input_tokens_details: { cached_tokens: usage.cachedTokens },
        output_tokens: usage.completionTokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: usage.promptTokens + usage.completionTokens,
      },
    };
  }

  /** Finished output items: the calls, or one message. */
  items(choice: Choice): JsonObject[] {
    const { plan } = choice;
    if (plan.toolCalls.length > 0) {
      return plan.toolCalls.map((call, index) => this.callItem(index, call.name, call.arguments, 'completed'));
    }
    return [this.messageItem('completed', [textPart(choice.text)])];
  }

  messageItem(status: string, content: JsonObject[]): JsonObject {
    return { id: this.messageId, type: 'message', role: 'assistant', status, content };
  }

  get messageId(): string {
    return `msg_${this.#id.slice(5)}`;
  }

  callItem(index: number, name: string, text: string, status: string): JsonObject {
    const suffix = `${this.#id.slice(5)}${index}`;
    return { id: `fc_${suffix}`, type: 'function_call', call_id: `call_${suffix}`, name, arguments: text, status };
  }
}

function textPart(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

/** Named, numbered events of one streamed response. */
class ResponseStream implements AnswerRenderer {
  readonly streamed = true;
  readonly #exchange: SimExchange;
  readonly #reply: ResponseReply;
  #sequence = 0;

  constructor(exchange: SimExchange, reply: ResponseReply) {
    this.#exchange = exchange;
    this.#reply = reply;
  }

  begin(answer: Answer): void {
    this.#exchange.startEvents();
    this.#event('response.created', { response: this.#reply.started() });
    this.#event('response.in_progress', { response: this.#reply.started() });
    if (answer.choices[0]?.plan.toolCalls.length !== 0) return;
    this.#event('response.output_item.added', { output_index: 0, item: this.#reply.messageItem('in_progress', []) });
    this.#event('response.content_part.added', { ...this.#textPlace(), part: textPart('') });
  }

  tokens(choice: Choice, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const piece = choice.plan.pieceAt(index);
      if (choice.plan.toolCalls.length > 0) this.#callDelta(choice, index, piece);
      else this.#event('response.output_text.delta', { ...this.#textPlace(), delta: piece, logprobs: [] });
    }
  }

  finish(choice: Choice): void {
    if (choice.plan.toolCalls.length > 0) return;
    const { text } = choice;
    this.#event('response.output_text.done', { ...this.#textPlace(), text, logprobs: [] });
    this.#event('response.content_part.done', { ...this.#textPlace(), part: textPart(text) });
    this.#event('response.output_item.done', { output_index: 0, item: this.#reply.items(choice)[0] });
  }

  end(answer: Answer): void {
    const response = this.#reply.whole(answer);
    this.#event(`response.${response.status as string}`, { response });
    this.#exchange.endEvents();
  }

  #callDelta(choice: Choice, index: number, piece: string): void {
    const place = choice.plan.toolCalls.findIndex((call) => index < call.endPiece);
    const call = choice.plan.toolCalls[place];
    if (call === undefined) return;
    const item = this.#reply.callItem(place, call.name, '', 'in_progress');
    if (index === call.firstPiece) this.#event('response.output_item.added', { output_index: place, item });
    const where = { item_id: item.id, output_index: place };
    this.#event('response.function_call_arguments.delta', { ...where, delta: piece });
    if (index + 1 < call.endPiece) return;
    this.#event('response.function_call_arguments.done', { ...where, name: call.name, arguments: call.arguments });
    const done = this.#reply.callItem(place, call.name, call.arguments, 'completed');
    this.#event('response.output_item.done', { output_index: place, item: done });
  }

  #textPlace(): JsonObject {
    return { item_id: this.#reply.messageId, output_index: 0, content_index: 0 };
  }

  #event(type: string, fields: JsonObject): void {
    const data = { type, sequence_number: this.#sequence, ...fields };
    this.#sequence += 1;
    this.#exchange.writeEvent(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
