import { isJsonObject, type JsonObject, parseJson, type UrlCitation } from '../../../core/api/index.js';
import { customToolInput } from '../translate/tool-arguments.js';
import type { ToolNames } from '../translate/tool-names.js';
import type { AnswerDecoder, EmitDelta } from '../translate/worker-dialect.js';
import { logprobsOf, matchedStopOf, objectsIn, reasonOf, textOf, usageOf } from './chat-wire.js';
import { brokenAnswer, readErrorEvent } from './errors.js';

const ID_PREFIX = 'chatcmpl-';

/** A call that waits for the end of its choice: a custom tool behind a function, whose arguments must be whole. */
interface WrappedCall {
  id: string | undefined;
  readonly name: string;
  json: string;
}

/** What has come of one choice. */
class DecodedChoice {
  finished = false;
  /** Wrapped calls by index. */
  readonly wrapped = new Map<number, WrappedCall>();
  /** Ids of calls that came without an index, in their order. */
  readonly ids: string[] = [];
}

/**
 * Reads `chat.completion` objects and streams of `chat.completion.chunk`s, and what the many imitations make of them:
 * missing usage, other names for thoughts, no index, no `[DONE]`.
 */
export class ChatDecoder implements AnswerDecoder {
  readonly #expectedChoices: number;
  readonly #names: ToolNames;
  readonly #wrapped: ReadonlySet<string>;
  readonly #choices = new Map<number, DecodedChoice>();
  #started = false;

  /** `wrapped`: custom tools that the worker knows as functions, by the client's name. */
  constructor(choices: number, names: ToolNames, wrapped: ReadonlySet<string>) {
    this.#expectedChoices = choices;
    this.#names = names;
    this.#wrapped = wrapped;
  }

  onAnswer(answer: JsonObject, emit: EmitDelta): void {
    if (answer.error !== undefined && answer.error !== null) throw readErrorEvent(answer.error);
    this.#start(answer, emit);
    for (const [at, choice] of objectsIn(answer.choices).entries()) {
      const index = indexOf(choice, at);
      if (isJsonObject(choice.message)) this.#message(index, choice.message, choice, emit);
      this.#finish(index, choice, textOf(choice.finish_reason) ?? 'stop', emit);
    }
    this.#usage(answer, emit);
  }

  onEvent(_event: string | undefined, data: string, emit: EmitDelta): boolean {
    if (data === '[DONE]') return this.#done(emit);
    const chunk = parseChunk(data);
    if (chunk === undefined) throw brokenAnswer('The worker sent an event that is no JSON object');
    if (chunk.error !== undefined && chunk.error !== null) throw readErrorEvent(chunk.error);
    const choices = objectsIn(chunk.choices);
    // Azure begins with a chunk of its filter, which has no id.
    if (choices.length > 0 || textOf(chunk.id) !== undefined) this.#start(chunk, emit);
    for (const [at, choice] of choices.entries()) {
      const index = indexOf(choice, at);
      const delta = isJsonObject(choice.delta) ? choice.delta : choice.message;
      if (isJsonObject(delta)) this.#message(index, delta, choice, emit);
      const reason = textOf(choice.finish_reason);
      if (reason !== undefined) this.#finish(index, choice, reason, emit);
    }
    this.#usage(chunk, emit);
    return false;
  }

  /** Some servers forget `[DONE]`: what has finished is complete. */
  onEnd(): boolean {
    const all = [...this.#choices.values()];
    return all.length >= this.#expectedChoices && all.every(({ finished }) => finished);
  }

  /** The worker says that it is over, so it is, also where it gave no reason. */
  #done(emit: EmitDelta): boolean {
    for (const [index, choice] of this.#choices) if (!choice.finished) this.#finish(index, {}, 'stop', emit);
    return this.#choices.size > 0;
  }

  #choice(index: number): DecodedChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = new DecodedChoice();
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #start(body: JsonObject, emit: EmitDelta): void {
    if (this.#started) return;
    this.#started = true;
    const id = textOf(body.id);
    const model = textOf(body.model);
    const serviceTier = textOf(body.service_tier);
    emit({
      kind: 'start',
      ...(id === undefined ? {} : { responseId: id.startsWith(ID_PREFIX) ? id.slice(ID_PREFIX.length) : id }),
      ...(model === undefined ? {} : { model }),
      ...(serviceTier === undefined ? {} : { serviceTier }),
    });
  }

  #usage(body: JsonObject, emit: EmitDelta): void {
    const usage = usageOf(body);
    if (usage !== undefined) emit({ kind: 'usage', usage });
  }

  /** A message, or the piece of one in a chunk. */
  #message(choice: number, message: JsonObject, around: JsonObject, emit: EmitDelta): void {
    this.#choice(choice);
    const reasoning = textOf(message.reasoning_content) ?? textOf(message.reasoning);
    if (reasoning !== undefined) emit({ kind: 'reasoning', choice, text: reasoning });
    const content = contentOf(message.content);
    const logprobs = logprobsOf(around);
    if (content !== '' || logprobs !== undefined) {
      emit({ kind: 'content', choice, text: content, ...(logprobs === undefined ? {} : { logprobs }) });
    }
    const refusal = textOf(message.refusal);
    if (refusal !== undefined) emit({ kind: 'refusal', choice, text: refusal });
    for (const annotation of objectsIn(message.annotations)) {
      const citation = citationOf(annotation);
      if (citation !== undefined) emit({ kind: 'annotation', choice, annotation: citation });
    }
    for (const image of objectsIn(message.images)) {
      const url = isJsonObject(image.image_url) ? textOf(image.image_url.url) : undefined;
      if (url !== undefined) emit({ kind: 'image', choice, url });
    }
    const sound = isJsonObject(message.audio) ? textOf(message.audio.data) : undefined;
    if (sound !== undefined) emit({ kind: 'audio', choice, mediaType: 'audio/wav', data: sound });
    for (const [at, call] of objectsIn(message.tool_calls).entries()) this.#toolCall(choice, call, at, emit);
    if (isJsonObject(message.function_call)) {
      this.#toolCall(choice, { index: 0, function: message.function_call }, 0, emit);
    }
  }

  #toolCall(choiceIndex: number, call: JsonObject, at: number, emit: EmitDelta): void {
    const choice = this.#choice(choiceIndex);
    const id = textOf(call.id);
    const index = typeof call.index === 'number' ? call.index : placeOf(id, at, choice);
    const custom = isJsonObject(call.custom) ? call.custom : undefined;
    const called = custom ?? (isJsonObject(call.function) ? call.function : {});
    const workerName = textOf(called.name);
    const name = workerName === undefined ? undefined : this.#names.toClient(workerName);
    const text = argumentsOf(custom === undefined ? called.arguments : called.input);
    const wrapped = choice.wrapped.get(index);
    if (wrapped !== undefined) {
      wrapped.id ??= id;
      wrapped.json += text ?? '';
    } else if (name !== undefined && this.#wrapped.has(name)) {
      choice.wrapped.set(index, { id, name, json: text ?? '' });
    } else {
      emit({
        kind: 'tool_call',
        choice: choiceIndex,
        index,
        ...(id === undefined ? {} : { id }),
        ...(name === undefined ? {} : { name }),
        ...(text === undefined ? {} : { arguments: text }),
        ...(custom === undefined ? {} : { custom: true }),
      });
    }
  }

  #finish(index: number, around: JsonObject, word: string, emit: EmitDelta): void {
    const choice = this.#choice(index);
    if (choice.finished) return;
    if (word === 'error') throw readErrorEvent({ message: 'The worker could not finish the answer' });
    choice.finished = true;
    for (const [at, call] of choice.wrapped) {
      const { id, name } = call;
      const text = customToolInput(parseChunk(call.json) ?? {});
      emit({
        kind: 'tool_call',
        choice: index,
        index: at,
        ...(id === undefined ? {} : { id }),
        name,
        arguments: text,
        custom: true,
      });
    }
    const matchedStop = matchedStopOf(around);
    emit({ kind: 'finish', choice: index, ...reasonOf(word), ...(matchedStop === undefined ? {} : { matchedStop }) });
  }
}

/** Of a call without index: its place among the ids that have come, or in its chunk. */
function placeOf(id: string | undefined, at: number, choice: DecodedChoice): number {
  if (id === undefined) return Math.max(at, choice.ids.length - 1);
  const known = choice.ids.indexOf(id);
  return known === -1 ? choice.ids.push(id) - 1 : known;
}

function indexOf(choice: JsonObject, at: number): number {
  return typeof choice.index === 'number' ? choice.index : at;
}

/** Text, or the texts of a list of parts. */
function contentOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return objectsIn(content)
    .map((part) => textOf(part.text) ?? '')
    .join('');
}

/** Some servers send the object itself. */
function argumentsOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function citationOf({ url_citation: citation }: JsonObject): UrlCitation | undefined {
  if (!isJsonObject(citation)) return undefined;
  const { url, title, start_index: start, end_index: end } = citation;
  if (typeof url !== 'string') return undefined;
  return {
    url,
    title: textOf(title) ?? '',
    startIndex: typeof start === 'number' ? start : 0,
    endIndex: typeof end === 'number' ? end : 0,
  };
}

function parseChunk(data: string): JsonObject | undefined {
  const parsed = parseJson(data);
  return isJsonObject(parsed) ? parsed : undefined;
}
