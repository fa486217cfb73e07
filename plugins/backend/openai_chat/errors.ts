import {
  GatewayError,
  isJsonObject,
  type JsonObject,
  parseJson,
  type ResponseHeaders,
  retryAfterMsOf,
} from '../../../core/api/index.js';
import { INVALID_IMAGE_MESSAGE, INVALID_IMAGE_URL } from '../../../core/inference/redact-message.js';
import { classOfStatus, createUpstreamError, type ErrorClass } from '../translate/upstream-error.js';
import { objectsIn, textOf } from './chat-wire.js';

/** By `error.code` or `error.type`. */
const WORDS: Readonly<Record<string, ErrorClass>> = {
  context_length_exceeded: 'context_too_long',
  insufficient_quota: 'no_money',
  invalid_api_key: 'bad_key',
  authentication_error: 'bad_key',
  model_not_found: 'not_found',
  NotFoundError: 'not_found',
  rate_limit_exceeded: 'rate',
  rate_limit_error: 'rate',
  permission_error: 'forbidden',
  service_unavailable_error: 'unavailable',
  overloaded: 'unavailable',
};
/** OpenAI's words, vLLM's and SGLang's. */
const TOO_LONG =
  /maximum context length|longer than the (?:maximum )?model|exceeds? the (?:model's )?(?:maximum )?context/i;

/** An answer outside 2xx. */
export function readHttpError(status: number, headers: ResponseHeaders, body: string, nowMs: number): GatewayError {
  const error = parseError(body);
  const message = error === undefined ? body : messageOf(error);
  const kept: string[] = [];
  headers.forEach((name, value) => {
    const field = keepField(name, value);
    if (field !== undefined) kept.push(...field);
  });
  return createUpstreamError({
    status,
    errorClass: classOf(error, message, classOfStatus(status)),
    message,
    retryAfterMs: retryAfterMsOf(headers, nowMs),
    headers: kept,
  });
}

/** An error inside an answer whose status was good. `error`: the member of that name. */
export function readErrorEvent(error: unknown): GatewayError {
  const known: JsonObject = isJsonObject(error) ? error : { message: error };
  const status = typeof known.code === 'number' && known.code >= 400 && known.code <= 599 ? known.code : 500;
  const message = messageOf(known);
  return createUpstreamError({ status, errorClass: classOf(known, message, classOfStatus(status)), message });
}

/** A field of an answer's head as clients get it. */
export function keepField(name: string, value: string): readonly [string, string] | undefined {
  if (name === 'x-request-id') return ['x-provider-request-id', value];
  return name.startsWith('x-ratelimit-') ? [name, value] : undefined;
}

export function brokenAnswer(why: string): GatewayError {
  return new GatewayError('upstream_protocol_error', why, { details: 'chat_answer_broken' });
}

function classOf(error: JsonObject | undefined, message: string | undefined, otherwise: ErrorClass): ErrorClass {
  for (const word of [error?.code, error?.type]) {
    if (typeof word === 'string' && Object.hasOwn(WORDS, word)) return WORDS[word] as ErrorClass;
  }
  return otherwise === 'bad_request' && TOO_LONG.test(message ?? '') ? 'context_too_long' : otherwise;
}

/** `{ error: {…} }`, `{ error: "…" }`, and the bare objects of older engines. Undefined for what is no JSON object. */
function parseError(body: string): JsonObject | undefined {
  const parsed = parseJson(body);
  if (!isJsonObject(parsed)) return undefined;
  if (isJsonObject(parsed.error)) return parsed.error;
  return typeof parsed.error === 'string' ? { message: parsed.error } : parsed;
}

/** `message`, or FastAPI's `detail`: a text, or a list of what is wrong. */
function messageOf(error: JsonObject): string | undefined {
  const { code, message, detail } = error;
  if (code === INVALID_IMAGE_URL) return INVALID_IMAGE_MESSAGE;
  const [first] = objectsIn(detail);
  return textOf(message) ?? textOf(detail) ?? textOf(first?.msg);
}
