import {
  type GatewayError,
  type JsonObject,
  parseJson,
  type ResponseHeaders,
  retryAfterMsOf,
} from '../../../core/api/index.js';
import { classOfStatus, createUpstreamError, type ErrorClass } from '../translate/upstream-error.js';

/** Google's canonical statuses. */
const CLASSES: Readonly<Record<string, ErrorClass>> = {
  INVALID_ARGUMENT: 'bad_request',
  FAILED_PRECONDITION: 'bad_request',
  OUT_OF_RANGE: 'bad_request',
  UNAUTHENTICATED: 'bad_key',
  PERMISSION_DENIED: 'forbidden',
  NOT_FOUND: 'not_found',
  ABORTED: 'conflict',
  ALREADY_EXISTS: 'conflict',
  RESOURCE_EXHAUSTED: 'rate',
  INTERNAL: 'internal',
  UNKNOWN: 'internal',
  DATA_LOSS: 'internal',
  CANCELLED: 'internal',
  UNAVAILABLE: 'unavailable',
  DEADLINE_EXCEEDED: 'timeout',
  UNIMPLEMENTED: 'unimplemented',
};

/** HTTP statuses of Google's codes, for errors that come in a stream without a number. */
const DEFAULT_STATUS = 500;
const CONTEXT_TOO_LONG = /exceeds the maximum number of tokens/i;
const NO_MONEY = /\bbilling\b|prepayment credits/i;

/** An error object in the shape of Google's API. */
interface GoogleError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly status?: unknown;
  readonly details?: unknown;
}

/** The error of an answer with a status outside 2xx; `body` may be an array of one, or no JSON at all. */
export function readGeminiError(status: number, headers: ResponseHeaders, body: string, nowMs: number): GatewayError {
  const error = errorOf(body);
  if (error === undefined) {
    const retryAfterMs = retryAfterMsOf(headers, nowMs);
    return createUpstreamError({ status, errorClass: classOfStatus(status), message: body, retryAfterMs });
  }
  return createError(error, status, retryAfterMsOf(headers, nowMs));
}

/** The error that stands in an answer of status 200, or in a stream. */
export function createAnswerError(value: unknown): GatewayError {
  const error: GoogleError = typeof value === 'object' && value !== null ? value : { message: String(value) };
  const code = typeof error.code === 'number' && error.code >= 400 && error.code <= 599 ? error.code : DEFAULT_STATUS;
  return createError(error, code, undefined);
}

function createError(error: GoogleError, status: number, headerRetryMs: number | undefined): GatewayError {
  const message = typeof error.message === 'string' ? error.message : undefined;
  const details = Array.isArray(error.details) ? (error.details as unknown[]) : [];
  const retryAfterMs = retryDelayMs(details) ?? headerRetryMs;
  return createUpstreamError({
    status,
    errorClass: classOf(error, status, message ?? '', details),
    message,
    retryAfterMs,
  });
}

function classOf(error: GoogleError, status: number, message: string, details: readonly unknown[]): ErrorClass {
  const known = typeof error.status === 'string' ? CLASSES[error.status] : undefined;
  const errorClass = known ?? classOfStatus(status);
  if (errorClass === 'bad_request') {
    if (details.some((detail) => (detail as JsonObject | null)?.reason === 'API_KEY_INVALID')) return 'bad_key';
    if (CONTEXT_TOO_LONG.test(message)) return 'context_too_long';
  }
  // A quota that ends with the minute says so; money does not come back by waiting.
  if (errorClass === 'rate' && NO_MONEY.test(message) && retryDelayMs(details) === undefined) return 'no_money';
  return errorClass;
}

/** `google.rpc.RetryInfo`: `"retryDelay": "17s"`, with fractions. */
function retryDelayMs(details: readonly unknown[]): number | undefined {
  for (const detail of details) {
    const { retryDelay } = (detail ?? {}) as JsonObject;
    if (typeof retryDelay !== 'string') continue;
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(retryDelay)?.[1];
    if (seconds !== undefined) return Number(seconds) * 1000;
  }
  return undefined;
}

function errorOf(body: string): GoogleError | undefined {
  const parsed = parseJson(body);
  const value: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  const error = (value as JsonObject | null | undefined)?.error;
  return typeof error === 'object' && error !== null ? error : undefined;
}
