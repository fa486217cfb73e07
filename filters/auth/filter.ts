import {
  type Counter,
  FilterHeadersStatus,
  GatewayError,
  type RequestHeaders,
  type ResponseHeaders,
  type StatsScope,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { KeyHolder, KeyRing } from './key-ring.js';

/** Headers in which a gateway key may come. */
const AUTHORIZATION = 'authorization';
const API_KEY = 'x-api-key';

/** What the streams of one generation share. */
export class AuthConfig {
  readonly keys: KeyRing;
  readonly allowed: Counter;
  readonly missing: Counter;
  readonly invalid: Counter;
  readonly forbidden: Counter;

  constructor(keys: KeyRing, stats: StatsScope) {
    this.keys = keys;
    const requests = stats.counter({
      name: 'smg_auth_requests_total',
      help: 'Requests to endpoints that need a key, by result',
      labels: ['result'],
    });
    this.allowed = requests.with('allowed');
    this.missing = requests.with('missing');
    this.invalid = requests.with('invalid');
    this.forbidden = requests.with('forbidden');
  }
}

/**
 * Lets requests pass that carry a gateway key where the endpoint needs one, and takes the key out of the headers, also on
 * public endpoints, so that it goes no further. Credentials that are none of ours stay: they may be the caller's own for
 * a provider.
 */
export class AuthFilter implements StreamFilter {
  readonly #shared: AuthConfig;
  readonly #callbacks: StreamFilterCallbacks;

  constructor(shared: AuthConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { streamInfo } = this.#callbacks;
    const holder = consumeKey(headers, this.#shared.keys);
    if (holder !== undefined) streamInfo.principal = { tenant: holder.tenant };
    const { accessClass } = streamInfo;
    if (accessClass === 'public') return FilterHeadersStatus.Continue;
    if (holder === undefined) return this.#refuse(headers);
    if (accessClass === 'control' && !holder.admin) return this.#forbid();
    this.#shared.allowed.inc();
    return FilterHeadersStatus.Continue;
  }

  #refuse(headers: RequestHeaders): FilterHeadersStatus {
    const sent = headers.has(AUTHORIZATION) || headers.has(API_KEY);
    const error = sent
      ? new GatewayError('invalid_api_key', 'Invalid API key', { details: 'auth_invalid_key' })
      : new GatewayError(
          'invalid_api_key',
          'Missing API key: send it as `Authorization: Bearer <key>` or `x-api-key: <key>`',
          { details: 'auth_missing_key' },
        );
    if (sent) this.#shared.invalid.inc();
    else this.#shared.missing.inc();
    this.#callbacks.sendLocalReply(error, sent ? challengeInvalid : challengeMissing);
    return FilterHeadersStatus.StopIteration;
  }

  #forbid(): FilterHeadersStatus {
    this.#shared.forbidden.inc();
    const message = 'This key may not call administration endpoints';
    this.#callbacks.sendLocalReply(new GatewayError('permission_denied', message, { details: 'auth_not_admin' }));
    return FilterHeadersStatus.StopIteration;
  }
}

function challengeMissing(headers: ResponseHeaders): void {
  headers.append('www-authenticate', 'Bearer realm="smg"');
}

function challengeInvalid(headers: ResponseHeaders): void {
  headers.append('www-authenticate', 'Bearer realm="smg", error="invalid_token"');
}

/**
 * Removes every header that carries one of the keys, in place, and tells whose the first one was. All credential
 * fields are looked at: a second one with a key would otherwise travel on.
 */
function consumeKey(headers: RequestHeaders, keys: KeyRing): KeyHolder | undefined {
  const flat = headers.flat;
  let found: KeyHolder | undefined;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (name !== AUTHORIZATION && name !== API_KEY) continue;
    const value = flat[i + 1] as string;
    const key = name === AUTHORIZATION ? bearerToken(value) : value;
    const holder = key === undefined ? undefined : keys.find(key);
    if (holder === undefined) continue;
    found ??= holder;
    flat.splice(i, 2);
    i -= 2;
  }
  return found;
}

/** The token of `Bearer <token>`; the scheme in any case, one or more spaces. Undefined for other schemes. */
function bearerToken(value: string): string | undefined {
  if (value.length < 8 || value.charCodeAt(6) !== 0x20) return undefined;
  const scheme = value.slice(0, 6);
  if (scheme !== 'Bearer' && scheme.toLowerCase() !== 'bearer') return undefined;
  let start = 7;
  while (value.charCodeAt(start) === 0x20) start++;
  return value.slice(start);
}
