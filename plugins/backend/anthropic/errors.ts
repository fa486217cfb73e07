import {
  type GatewayError,
  isJsonObject,
  parseJson,
  type ResponseHeaders,
  retryAfterMsOf,
} from '../../../core/api/index.js';
import { classOfStatus, createUpstreamError, type ErrorClass } from '../translate/upstream-error.js';
import type { WireError } from './messages-wire.js';
import { keptFields } from './response-headers.js';

/** By `error.type`: what it means, and the status that goes with it where an event of a stream brings it. */
const TYPES: ReadonlyMap<unknown, readonly [ErrorClass, number]> = new Map<unknown, readonly [ErrorClass, number]>([
  ['invalid_request_error', ['bad_request', 400]],
  ['authentication_error', ['bad_key', 401]],
  ['billing_error', ['no_money', 402]],
  ['permission_error', ['forbidden', 403]],
  ['not_found_error', ['not_found', 404]],
  ['conflict_error', ['conflict', 409]],
  ['request_too_large', ['too_large', 413]],
  ['rate_limit_error', ['rate', 429]],
  ['api_error', ['internal', 500]],
  ['timeout_error', ['timeout', 504]],
  ['overloaded_error', ['unavailable', 529]],
]);
const TOO_LONG = /prompt is too long|exceeds? (?:the )?context limit/i;
const NO_CREDIT = /credit balance is too low/i;

/** An answer outside 2xx. */
export function readHttpError(status: number, headers: ResponseHeaders, body: string, nowMs: number): GatewayError {
  const error = parseError(body);
  const message = error === undefined ? body : textOf(error.message);
  return createUpstreamError({
    status,
    errorClass: classOf(error, message, classOfStatus(status)),
    message,
    retryAfterMs: retryAfterMsOf(headers, nowMs),
    headers: keptFields(headers, nowMs),
  });
}

/** An error inside an answer whose status was good. `error`: the member of that name. */
export function readErrorEvent(error: unknown): GatewayError {
  const known: WireError = isJsonObject(error) ? error : {};
  const message = textOf(known.message);
  const errorClass = classOf(known, message, 'internal');
  return createUpstreamError({ status: TYPES.get(known.type)?.[1] ?? 500, errorClass, message });
}

function classOf(error: WireError | undefined, message: string | undefined, otherwise: ErrorClass): ErrorClass {
  const errorClass = TYPES.get(error?.type)?.[0] ?? otherwise;
  if (errorClass !== 'bad_request' || message === undefined) return errorClass;
  if (TOO_LONG.test(message)) return 'context_too_long';
  return NO_CREDIT.test(message) ? 'no_money' : errorClass;
}

function parseError(body: string): WireError | undefined {
  const parsed = parseJson(body);
  return isJsonObject(parsed) && isJsonObject(parsed.error) ? parsed.error : undefined;
}

function textOf(message: unknown): string | undefined {
  return typeof message === 'string' ? message : undefined;
}

/** What Anthropic says when a model does not take a field that depends on the model. */
const FEATURE_FIELDS = /\b(temperature|top_p|top_k|thinking|effort|output_config|prefill)\b/;

/** The field of a 400 that the settings of its model could have kept out of the request; undefined for other errors. */
export function refusedFeature(error: GatewayError): string | undefined {
  if (error.code !== 'invalid_request') return undefined;
  return FEATURE_FIELDS.exec(error.message)?.[1];
}
