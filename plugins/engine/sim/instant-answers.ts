import type { SimExchange } from './exchange.js';
import { OutputPlan } from './output-plan.js';
import type { SimEngine } from './sim-engine.js';
import { splitPieces } from './text.js';

/** Prepared answers kept per engine: one for each path, length and way of streaming that was asked for. */
const MAX_PREPARED = 256;
const BYTES_PER_TOKEN = 5;
const STREAM_FIELD = Buffer.from('"stream"');
const USAGE_FIELD = Buffer.from('"include_usage"');
const MAX_TOKENS_FIELDS = [Buffer.from('"max_completion_tokens"'), Buffer.from('"max_tokens"')] as const;
const COLON = 0x3a;
const SPACE = 0x20;
const LOWER_T = 0x74;
const DIGIT_0 = 0x30;
const MAX_DIGITS = 7;

/**
 * Answers of the instant mode: bytes made once and sent again. Reads the few fields that decide an answer by a byte
 * scan, so the request is not validated and `usage` counts its bytes as of the first request of that kind.
 */
export class InstantAnswers {
  readonly #engine: SimEngine;
  readonly #prepared = new Map<string, Buffer>();

  constructor(engine: SimEngine) {
    this.#engine = engine;
  }

  /** Answers `exchange` if its path has prepared answers; false otherwise. */
  handle(exchange: SimExchange): boolean {
    const isChat = exchange.path === '/v1/chat/completions';
    if (!isChat && exchange.path !== '/v1/completions') return false;
    const { body } = exchange;
    const isStream = isTrue(body, STREAM_FIELD);
    const includeUsage = isStream && isTrue(body, USAGE_FIELD);
    const limit = readNumber(body, MAX_TOKENS_FIELDS[0]) ?? readNumber(body, MAX_TOKENS_FIELDS[1]);
    const tokens = Math.max(1, Math.min(limit ?? Number.POSITIVE_INFINITY, this.#engine.config.output_tokens.max));
    const key = `${isChat ? 'c' : 't'}${isStream ? 's' : 'w'}${includeUsage ? 'u' : ''}${tokens}`;
    let bytes = this.#prepared.get(key);
    if (bytes === undefined) {
      const answer = new InstantAnswer(this.#engine, isChat, tokens, Math.ceil(body.length / BYTES_PER_TOKEN));
      bytes = Buffer.from(isStream ? answer.stream(includeUsage) : answer.whole());
      if (this.#prepared.size < MAX_PREPARED) this.#prepared.set(key, bytes);
    }
    if (isStream) exchange.sendPreparedEvents(bytes);
    else exchange.sendBytes(200, 'application/json', bytes);
    return true;
  }
}

/** Text of one prepared answer. */
class InstantAnswer {
  readonly #isChat: boolean;
  readonly #pieces: string[];
  readonly #usage: object;
  readonly #common: object;
  readonly #objectName: string;

  constructor(engine: SimEngine, isChat: boolean, tokens: number, promptTokens: number) {
    const { config } = engine;
    this.#isChat = isChat;
    this.#pieces =
      config.reply === undefined
        ? splitPlan(new OutputPlan(config.seed, undefined, tokens, 'stop'))
        : splitPieces(config.reply).slice(0, tokens);
    const completion = this.#pieces.length;
    this.#usage = {
      prompt_tokens: promptTokens,
      total_tokens: promptTokens + completion,
      completion_tokens: completion,
      prompt_tokens_details: { cached_tokens: 0 },
    };
    this.#common = { created: Math.floor(engine.startedAtMs / 1_000), model: engine.model };
    this.#objectName = isChat ? 'chat.completion' : 'text_completion';
  }

  whole(): string {
    const text = this.#pieces.join('');
    const content = this.#isChat ? { message: { role: 'assistant', content: text } } : { text };
    return JSON.stringify({
      id: this.#id,
      object: this.#objectName,
      ...this.#common,
      choices: [{ index: 0, ...content, logprobs: null, finish_reason: 'stop' }],
      usage: this.#usage,
    });
  }

  stream(includeUsage: boolean): string {
    let text = this.#isChat ? this.#chunk({ delta: { role: 'assistant', content: '' } }, null) : '';
    for (const piece of this.#pieces) {
      text += this.#chunk(this.#isChat ? { delta: { content: piece } } : { text: piece }, null);
    }
    text += this.#chunk(this.#isChat ? { delta: {} } : { text: '' }, 'stop');
    if (includeUsage) text += this.#event({ choices: [], usage: this.#usage });
    return `${text}data: [DONE]\n\n`;
  }

  get #id(): string {
    return this.#isChat ? 'chatcmpl-instant' : 'cmpl-instant';
  }

  #chunk(content: object, finish: string | null): string {
    return this.#event({ choices: [{ index: 0, ...content, logprobs: null, finish_reason: finish }] });
  }

  #event(fields: object): string {
    const object = this.#isChat ? 'chat.completion.chunk' : this.#objectName;
    return `data: ${JSON.stringify({ id: this.#id, object, ...this.#common, ...fields })}\n\n`;
  }
}

function splitPlan(plan: OutputPlan): string[] {
  return Array.from({ length: plan.tokens }, (_, index) => plan.pieceAt(index));
}

/** Offset of a field's value, or −1. A name inside a JSON string is never met: its quotes are escaped there. */
function valueStart(body: Buffer, field: Buffer): number {
  const at = body.indexOf(field);
  if (at < 0) return -1;
  let index = at + field.length;
  while (body[index] === SPACE || body[index] === COLON) index += 1;
  return index;
}

function isTrue(body: Buffer, field: Buffer): boolean {
  const start = valueStart(body, field);
  return start >= 0 && body[start] === LOWER_T;
}

function readNumber(body: Buffer, field: Buffer): number | undefined {
  const start = valueStart(body, field);
  if (start < 0) return undefined;
  let value = 0;
  let index = start;
  for (; index < start + MAX_DIGITS; index++) {
    const digit = (body[index] ?? 0) - DIGIT_0;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return index === start ? undefined : value;
}
