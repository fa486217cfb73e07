import type { RenderContext } from '../../core/api/client-api.js';
import type { GatewayError } from '../../core/api/errors.js';
import { ResponseHeaders } from '../../core/api/headers.js';
import type { Delta, InferenceRequest, TokenUsage } from '../../core/api/inference.js';

/** Ends every OpenAI stream. */
export const DONE_EVENT = 'data: [DONE]\n\n';

/** A comment, which clients skip. */
export const KEEP_ALIVE = ': keep-alive\n\n';

/** What an answer is called, once its worker has said it: ids get the prefix of the client's dialect. */
export function startedContext(
  context: RenderContext,
  prefix: string,
  start: Extract<Delta, { kind: 'start' }>,
): RenderContext {
  const { responseId, model } = start;
  return {
    ...context,
    ...(responseId === undefined || responseId === '' ? {} : { responseId: prefix + responseId }),
    ...(model === undefined || model === '' ? {} : { model }),
  };
}

/** One event from JSON text, which never holds a line break. */
export function openAiEvent(json: string): string {
  return `data: ${json}\n\n`;
}

export function streamHeaders(): ResponseHeaders {
  return new ResponseHeaders(200, ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache']);
}

export function jsonHeaders(): ResponseHeaders {
  return new ResponseHeaders(200, ['content-type', 'application/json']);
}

/** The error event of a stream whose head went out; SDKs raise it with `code` and `type`. */
export function openAiErrorEvent(error: GatewayError): Buffer {
  const { message, type, code } = error;
  return Buffer.from(openAiEvent(JSON.stringify({ error: { message, type, param: error.param ?? null, code } })));
}

/** Counts that are unknown are written as 0; details only where they say something. */
export function openAiUsage(usage: TokenUsage): object {
  const prompt = usage.promptTokens ?? 0;
  const completion = usage.completionTokens ?? 0;
  const { cachedTokens, cacheWriteTokens, reasoningTokens, promptAudioTokens, completionAudioTokens } = usage;
  const promptDetails = {
    ...(cachedTokens ? { cached_tokens: cachedTokens } : {}),
    ...(cacheWriteTokens ? { cache_creation_tokens: cacheWriteTokens } : {}),
    ...(promptAudioTokens ? { audio_tokens: promptAudioTokens } : {}),
  };
  const completionDetails = {
    ...(reasoningTokens ? { reasoning_tokens: reasoningTokens } : {}),
    ...(completionAudioTokens ? { audio_tokens: completionAudioTokens } : {}),
  };
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(cachedTokens || cacheWriteTokens || promptAudioTokens ? { prompt_tokens_details: promptDetails } : {}),
    ...(reasoningTokens || completionAudioTokens ? { completion_tokens_details: completionDetails } : {}),
  };
}

/** Whether the client asked for the usage chunk: `stream_options.include_usage`. */
export function wantsUsage(request: InferenceRequest): boolean {
  const text = request.rawField('stream_options');
  if (text === undefined || !text.includes('include_usage')) return false;
  return (JSON.parse(text) as { include_usage?: unknown } | null)?.include_usage === true;
}

/**
 * Writes the chunks of a stream around what differs: `{"id":…,"choices":[` choice `]}`. The parts that do not change are
 * made once.
 */
export class ChunkWriter {
  readonly #before: string;
  readonly #after: string;
  readonly #usageBefore: string;
  readonly #includeUsage: boolean;

  /** `fields`: what else each chunk says beside its choices. */
  constructor(object: string, context: RenderContext, includeUsage: boolean, fields: object = {}) {
    const { responseId: id, createdS: created, model } = context;
    const head = JSON.stringify({ id, object, created, model, ...fields });
    const open = `data: ${head.slice(0, -1)},"choices":[`;
    this.#before = open;
    this.#after = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
    this.#usageBefore = `${open}],"usage":`;
    this.#includeUsage = includeUsage;
  }

  /** `choice`: JSON text of the one entry in `choices`. */
  choice(choice: string): Buffer {
    return Buffer.from(this.text(choice), 'utf8');
  }

  /** The same as text, for several chunks in one buffer. */
  text(choice: string): string {
    return this.#before + choice + this.#after;
  }

  /** The usage chunk, where it was asked for and is known, and `[DONE]`. */
  end(usage: TokenUsage | undefined): Buffer {
    if (usage === undefined || !this.#includeUsage) return Buffer.from(DONE_EVENT);
    return Buffer.from(`${this.#usageBefore}${JSON.stringify(openAiUsage(usage))}}\n\n${DONE_EVENT}`, 'utf8');
  }
}

/** The parts of a collected answer that all OpenAI apis share, around its choices. `fields`: what else it says. */
export function collectedBody(
  object: string,
  context: RenderContext,
  choices: readonly object[],
  usage: TokenUsage | undefined,
  fields: object = {},
): Buffer {
  const body = {
    id: context.responseId,
    object,
    created: context.createdS,
    model: context.model,
    choices,
    ...(usage === undefined ? {} : { usage: openAiUsage(usage) }),
    ...fields,
  };
  return Buffer.from(JSON.stringify(body), 'utf8');
}
