import type { ErrorDialect } from './client-api.js';
import type { GatewayError } from './errors.js';

/** Codes that mean that the workers have more work than they can do. */
const OVERLOADS: ReadonlySet<string> = new Set(['overloaded', 'worker_overload_protection_shed']);

/** Status under which a client of a dialect gets an error: Anthropic's has its own for overload and for empty accounts. */
export function errorStatus(error: GatewayError, dialect: ErrorDialect): number {
  if (dialect === 'anthropic') {
    if (OVERLOADS.has(error.code)) return 529;
    if (error.code === 'insufficient_quota') return 402;
  }
  return error.status;
}

/** The body of an error, or the payload of its event in a stream. */
export function errorEnvelope(error: GatewayError, dialect: ErrorDialect, requestId: string): object {
  if (dialect === 'anthropic') {
    const envelope = anthropicEnvelope(errorStatus(error, dialect), error.message, requestId);
    const details = anthropicDetails(error);
    return details === undefined ? envelope : { ...envelope, error: { ...envelope.error, details } };
  }
  return { error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code } };
}

/** Anthropic's envelope of a failure with this status. `requestId` empty: not known. */
export function anthropicEnvelope(
  status: number,
  message: string,
  requestId: string,
): { readonly type: 'error'; readonly error: object; readonly request_id: string | null } {
  return {
    type: 'error',
    error: { type: anthropicType(status), message },
    request_id: requestId === '' ? null : requestId,
  };
}

/** Upon this Anthropic's SDK (1.13) goes on without a thread and sends the whole conversation. */
function anthropicDetails({ code, param }: GatewayError): object | undefined {
  if (code !== 'unsupported_parameter' || param !== 'thread') return undefined;
  return { error_code: 'thread_unsupported_request', unsupported: ['thread'] };
}

/** Error types of Anthropic's API by status (its public error reference). */
function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 402:
      return 'billing_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 408:
    case 504:
      return 'timeout_error';
    case 409:
      return 'conflict_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
    case 529:
      return 'overloaded_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}
