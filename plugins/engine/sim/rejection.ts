import type { SimConfig } from './config.js';

export type SimRuntime = SimConfig['runtime'];
/** Family of error bodies: most paths share one, `/v1/messages` and SGLang's `/generate` have their own. */
export type ErrorDialect = 'openai' | 'anthropic' | 'generate';

/** A request that the engine refuses; thrown by field readers, turned into an answer in one place. */
export class RequestRejected extends Error {
  readonly status: number;
  readonly param: string | null;

  constructor(status: number, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

const ENGINE_TYPES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  404: 'NotFoundError',
  413: 'BadRequestError',
  422: 'UnprocessableEntityError',
  429: 'RateLimitError',
  500: 'InternalServerError',
  503: 'ServiceUnavailableError',
  504: 'TimeoutError',
};
const OPENAI_TYPES: Readonly<Record<number, string>> = { 429: 'rate_limit_exceeded', 500: 'server_error' };
const OPENAI_CODES: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  404: 'model_not_found',
  429: 'rate_limit_exceeded',
};
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

/** Error body in the shape of the runtime and the path. */
export function errorBody(runtime: SimRuntime, dialect: ErrorDialect, rejected: RequestRejected): object {
  const { status, message, param } = rejected;
  if (dialect === 'anthropic') {
    return { type: 'error', error: { type: ANTHROPIC_TYPES[status] ?? 'api_error', message } };
  }
  if (dialect === 'generate') return { error: { message } };
  const engineType = ENGINE_TYPES[status] ?? (status >= 500 ? 'InternalServerError' : 'BadRequestError');
  if (runtime === 'vllm') return { error: { message, type: engineType, param, code: status } };
  if (runtime === 'sglang') return { object: 'error', message, type: engineType, param, code: status };
  const type = OPENAI_TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
  return { error: { message, type, param, code: OPENAI_CODES[status] ?? null } };
}

/** Body for a path or method that does not exist. */
export function unknownPathBody(runtime: SimRuntime, method: string, path: string, status: 404 | 405): object {
  if (runtime !== 'openai') return { detail: status === 404 ? 'Not Found' : 'Method Not Allowed' };
  const message = status === 404 ? `Invalid URL (${method} ${path})` : `Method ${method} is not allowed for ${path}`;
  return { error: { message, type: 'invalid_request_error', param: null, code: null } };
}
