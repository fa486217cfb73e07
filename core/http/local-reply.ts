import type { ErrorDialect } from '../api/client-api.js';
import { errorEnvelope, errorStatus } from '../api/error-envelope.js';
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
  const body = Buffer.from(JSON.stringify(errorEnvelope(error, dialect, requestId)));
  const status = errorStatus(error, dialect);
  const headers = new ResponseHeaders(status, [
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
  if (status >= 500 && !worthRetrying) headers.append('x-should-retry', 'false');
  return { headers, body };
}

/**
 * An error as the last event of a stream whose head is out. OpenAI's SDK raises an event that has `error`; Anthropic's
 * wants it named. No terminator follows: after `[DONE]` the stream would look complete.
 */
export function renderErrorEvent(error: GatewayError, dialect: ErrorDialect, requestId: string): Buffer {
  const data = JSON.stringify(errorEnvelope(error, dialect, requestId));
  return Buffer.from(dialect === 'anthropic' ? `event: error\ndata: ${data}\n\n` : `data: ${data}\n\n`);
}
