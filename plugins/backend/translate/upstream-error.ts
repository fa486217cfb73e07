import { type ErrorCode, GatewayError } from '../../../core/api/index.js';
import { redactMessage } from '../../../core/inference/redact-message.js';

/** Of a body that is not JSON, characters. */
const MAX_TEXT_CHARS = 2048;

/** What a provider's error means, whichever words it has for it. */
export type ErrorClass =
  | 'bad_request'
  | 'context_too_long'
  | 'bad_key'
  | 'no_money'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'rate'
  | 'internal'
  | 'unavailable'
  | 'timeout'
  | 'unimplemented';

const CODES: Readonly<Record<ErrorClass, ErrorCode>> = {
  bad_request: 'invalid_request',
  context_too_long: 'context_length_exceeded',
  bad_key: 'invalid_api_key',
  no_money: 'insufficient_quota',
  forbidden: 'permission_denied',
  not_found: 'model_not_found',
  conflict: 'conflict',
  too_large: 'request_too_large',
  rate: 'rate_limit_exceeded',
  internal: 'upstream_error',
  unavailable: 'overloaded',
  timeout: 'upstream_timeout',
  unimplemented: 'not_supported_by_provider',
};

/** For bodies that do not say more. */
export function classOfStatus(status: number): ErrorClass {
  switch (status) {
    case 401:
      return 'bad_key';
    case 402:
      return 'no_money';
    case 403:
      return 'forbidden';
    case 404:
      return 'not_found';
    case 408:
    case 504:
      return 'timeout';
    case 409:
      return 'conflict';
    case 413:
      return 'too_large';
    case 429:
      return 'rate';
    case 501:
      return 'unimplemented';
    case 503:
    case 529:
      return 'unavailable';
    default:
      return status >= 500 ? 'internal' : 'bad_request';
  }
}

export interface UpstreamErrorFacts {
  readonly status: number;
  readonly errorClass: ErrorClass;
  /** As the provider wrote it; undefined where the body had none. */
  readonly message: string | undefined;
  readonly param?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** Rate limits, in OpenAI's names. */
  readonly headers?: readonly string[] | undefined;
}

/** The error that a client gets for a provider's. */
export function createUpstreamError(facts: UpstreamErrorFacts): GatewayError {
  const { status, errorClass, message, param, retryAfterMs, headers } = facts;
  const said = redactMessage((message ?? '').slice(0, MAX_TEXT_CHARS)).trim();
  return new GatewayError(CODES[errorClass], said === '' ? `The worker answered with status ${status}` : said, {
    details: `upstream_${errorClass}`,
    upstreamStatus: status,
    ...(param === undefined ? {} : { param }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(headers === undefined ? {} : { headers }),
  });
}
