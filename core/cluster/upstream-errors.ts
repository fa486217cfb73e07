import { GatewayError } from '../api/errors.js';

/** How far an exchange had come when its connection failed. */
export type FailurePoint = 'before_head' | 'mid_body';

const CONNECT_DETAILS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect_refused',
  ECONNRESET: 'connect_reset',
  EHOSTUNREACH: 'connect_unreachable',
  ENETUNREACH: 'connect_unreachable',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
};

/** `cause` is an error of Node's sockets, resolver or TLS. Only `cause` may name the host. */
export function connectFailedError(cause: unknown): GatewayError {
  const code = errorCode(cause);
  if (code === 'ETIMEDOUT') return connectTimeoutError(cause);
  const isTls = code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.includes('CERT');
  return new GatewayError('upstream_connect_failed', 'Could not connect to the worker', {
    cause,
    details: CONNECT_DETAILS[code] ?? (isTls ? 'tls' : 'connect_failed'),
  });
}

/** A time limit like the others for the client; to tell it from them there are its details. */
export function connectTimeoutError(cause?: unknown): GatewayError {
  return new GatewayError('upstream_timeout', 'Could not connect to the worker in time', {
    cause,
    details: 'connect_timeout',
  });
}

/** The connection broke. `cause` undefined: the worker closed it in good order, but too early. */
export function resetError(point: FailurePoint, cause: unknown): GatewayError {
  const message =
    point === 'before_head'
      ? 'The worker closed the connection before it answered'
      : 'The worker closed the connection in the middle of its answer';
  const details = `${cause === undefined ? 'closed' : 'reset'}_${point}`;
  return new GatewayError('upstream_reset', message, { cause, details });
}

export function firstByteTimeoutError(): GatewayError {
  return new GatewayError('upstream_timeout', 'The worker did not begin to answer in time', {
    details: 'first_byte_timeout',
  });
}

export function idleTimeoutError(): GatewayError {
  return new GatewayError('upstream_timeout', 'The worker fell silent in the middle of its answer', {
    details: 'idle_timeout',
  });
}

/** `details` names the rule that was broken. */
export function protocolError(details: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_protocol_error', 'The worker did not answer in valid HTTP', { cause, details });
}

/** Every connection to the worker is taken: `pool_queue_full`, or `pool_timeout` after waiting in vain. */
export function poolExhaustedError(details: 'pool_queue_full' | 'pool_timeout'): GatewayError {
  return new GatewayError('overloaded', 'Too many requests to the worker are under way', { details });
}

/** The pool was closed while the request waited in it. */
export function poolClosedError(): GatewayError {
  return new GatewayError('upstream_connect_failed', 'The worker was removed', { details: 'worker_removed' });
}

/** Node's `code`, or an empty string. An AggregateError (several addresses tried) carries that of its first. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
