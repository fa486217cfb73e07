import type { ErrorCode, GatewayError } from '../../core/api/index.js';

/** Kinds of failure after which the next cluster may be asked. */
export const CONDITIONS = ['unavailable', 'error', 'rate_limit', 'first_token', 'auth', 'refused'] as const;

/** One entry of `on`: a kind of failure, or the status of a worker's answer. */
export type FallbackCondition = (typeof CONDITIONS)[number] | number;

export const DEFAULT_CONDITIONS: readonly FallbackCondition[] = ['unavailable', 'error', 'rate_limit', 'first_token'];

/** Why a cluster was given up: label of a metric. */
export type FallbackReason =
  | 'unavailable'
  | 'connect'
  | 'reset'
  | 'timeout'
  | '5xx'
  | 'rate_limit'
  | 'first_token'
  | 'auth'
  | 'refused'
  | 'status';

/** The gateway found nobody to ask. */
const UNAVAILABLE_CODES: ReadonlySet<ErrorCode> = new Set([
  'no_available_workers',
  'overloaded',
  'worker_overload_protection_shed',
  'model_not_found',
]);
/** There is no key for the workers that would have been asked. */
const AUTH_CODES: ReadonlySet<ErrorCode> = new Set(['missing_provider_key', 'provider_key_mismatch']);
/** What the dialect of some workers cannot carry, and others may. */
const REFUSED_CODES: ReadonlySet<ErrorCode> = new Set([
  'unsupported_parameter',
  'unsupported_content_part',
  'unsupported_image_type',
  'unsupported_tool',
  'invalid_image_url',
  'remote_media_not_supported',
  'prefill_not_supported',
  'response_format_not_supported',
  'endpoint_not_supported',
  'not_supported_by_provider',
]);

/** Whether an error says only that a cluster could not be asked: the least of what a client can be told. */
export function isUnasked({ code, upstreamStatus }: GatewayError): boolean {
  if (upstreamStatus !== undefined) return false;
  return UNAVAILABLE_CODES.has(code) || AUTH_CODES.has(code) || REFUSED_CODES.has(code);
}

/** What is worth asking the next cluster. */
export class FallbackConditions {
  readonly firstToken: boolean;
  readonly #kinds: ReadonlySet<FallbackCondition>;

  constructor(on: readonly FallbackCondition[]) {
    this.#kinds = new Set(on);
    this.firstToken = this.#kinds.has('first_token');
  }

  /** Why an answer of a worker with this status is not taken; undefined when it is the client's. */
  reasonOfStatus(status: number): FallbackReason | undefined {
    if (status < 400) return undefined;
    if (status === 429) return this.#kinds.has('rate_limit') || this.#kinds.has(429) ? 'rate_limit' : undefined;
    if (isServerError(status) && this.#kinds.has('error')) return status === 408 ? 'timeout' : '5xx';
    if ((status === 401 || status === 403) && this.#kinds.has('auth')) return 'auth';
    return this.#kinds.has(status) ? 'status' : undefined;
  }

  /**
   * The same for an error, the gateway's own or a worker's that was read. `first`: it comes from the cluster that the
   * request was meant for; that another one could not be asked says nothing about the request.
   */
  reasonOfError(error: GatewayError, first: boolean): FallbackReason | undefined {
    const { code, details, upstreamStatus } = error;
    if (upstreamStatus !== undefined) return this.reasonOfStatus(upstreamStatus);
    // The whole request has had its time.
    if (details === 'request_deadline') return undefined;
    if (UNAVAILABLE_CODES.has(code)) return this.#if('unavailable', first, 'unavailable');
    if (AUTH_CODES.has(code)) return this.#if('auth', first, 'auth');
    if (REFUSED_CODES.has(code)) return this.#if('refused', first, 'refused');
    switch (code) {
      case 'upstream_connect_failed':
        return this.#if('error', true, 'connect');
      case 'upstream_reset':
      case 'upstream_protocol_error':
        return this.#if('error', true, 'reset');
      case 'upstream_timeout':
        return this.#if('error', true, 'timeout');
      default:
        return undefined;
    }
  }

  #if(kind: FallbackCondition, first: boolean, reason: FallbackReason): FallbackReason | undefined {
    return !first || this.#kinds.has(kind) ? reason : undefined;
  }
}

/** Failures that another cluster need not have; that a method is not implemented is no failure. */
function isServerError(status: number): boolean {
  return status === 408 || (status >= 500 && status !== 501 && status !== 505);
}
