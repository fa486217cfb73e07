import type { ErrorDialect } from '../api/client-api.js';
import type { GatewayError } from '../api/errors.js';
import { ResponseHeaders } from '../api/headers.js';

/** An error as a whole response. */
export interface LocalReply {
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

/**
 * The only place that writes error bodies. OpenAI's envelope, or Anthropic's where the client speaks that; the header
 * `x-smg-error-code` repeats the code in both, because Anthropic's envelope has no room for it.
 */
export function renderLocalReply(error: GatewayError, dialect: ErrorDialect, requestId: string): LocalReply {
  const body = Buffer.from(JSON.stringify(errorBody(error, dialect, requestId)));
  const headers = new ResponseHeaders(error.status, [
    'content-type',
    'application/json',
    'content-length',
    String(body.length),
    'x-smg-error-code',
    error.code,
  ]);
  if (error.retryAfterMs !== undefined) headers.append('retry-after', String(Math.ceil(error.retryAfterMs / 1000)));
  const { headers: relayed } = error;
  if (relayed !== undefined) {
    for (let i = 0; i < relayed.length; i += 2) headers.set(relayed[i] as string, relayed[i + 1] as string);
  }
  // SDKs retry every 5xx by themselves; that is waste where we know that the answer will not change.
  const worthRetrying = error.retryable || error.retryAfterMs !== undefined || error.code === 'draining';
  if (error.status >= 500 && !worthRetrying) headers.append('x-should-retry', 'false');
  return { headers, body };
}

/**
 * An error as the last event of a stream whose head is out. OpenAI's SDK raises an event that has `error`; Anthropic's
 * wants it named. No terminator follows: after `[DONE]` the stream would look complete.
 */
export function renderErrorEvent(error: GatewayError, dialect: ErrorDialect, requestId: string): Buffer {
  const data = JSON.stringify(errorBody(error, dialect, requestId));
  return Buffer.from(dialect === 'anthropic' ? `event: error\ndata: ${data}\n\n` : `data: ${data}\n\n`);
}

function errorBody(error: GatewayError, dialect: ErrorDialect, requestId: string): object {
  if (dialect === 'anthropic') {
    return {
      type: 'error',
      error: { type: anthropicType(error.status), message: error.message },
      request_id: requestId === '' ? null : requestId,
    };
  }
  return { error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code } };
}

/** Error types of Anthropic's API by status (its public error reference). */
function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}
