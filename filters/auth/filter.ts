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
import type { AuditLog } from './audit-log.js';
import type { KeyHolder, KeyRing } from './key-ring.js';
import { type PresentedKeys, takeKeys } from './presented-keys.js';

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
 * Lets requests pass that carry a gateway key where the endpoint needs one, and takes the keys out of the headers, also
 * on public endpoints, so that they go no further. Credentials that are none of ours stay: they may be the caller's own
 * for a provider.
 */
export class AuthFilter implements StreamFilter {
  protected readonly callbacks: StreamFilterCallbacks;
  /** The key that decided; undefined until then, and where none is needed. */
  protected holder: KeyHolder | undefined = undefined;
  /** Undefined until the head has come this far, and where no key is needed. */
  protected outcome: 'success' | 'denied' | undefined = undefined;
  readonly #shared: AuthConfig;

  constructor(shared: AuthConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { streamInfo } = this.callbacks;
    const { keys } = this.#shared;
    const presented = takeKeys(headers, keys);
    if (presented.client?.tenant !== undefined) streamInfo.principal = { tenant: presented.client.tenant };
    switch (streamInfo.accessClass) {
      case 'public':
        return FilterHeadersStatus.Continue;
      case 'data':
        if (!keys.protectsData) return FilterHeadersStatus.Continue;
        return presented.client === undefined ? this.#refuse(presented) : this.#allow(presented.client);
      case 'control':
        return keys.hasAdministrators ? this.#administrate(presented) : this.#administrateWithSharedKey(presented);
    }
  }

  /** With keys of their own, no key of clients opens administration endpoints. */
  #administrate(presented: PresentedKeys): FilterHeadersStatus {
    const holder = presented.administrator;
    if (holder?.administrator === undefined) {
      const { sent } = presented;
      const message = sent ? 'Invalid authentication token' : 'Missing or invalid Authorization header';
      return this.#unauthenticated(sent, message, 'control-plane');
    }
    const { method } = this.callbacks.streamInfo;
    if (holder.administrator.role === 'admin' || method === 'GET' || method === 'HEAD') return this.#allow(holder);
    this.#shared.forbidden.inc();
    this.holder = holder;
    this.outcome = 'denied';
    const message = 'Admin role required for this control plane operation';
    this.callbacks.sendLocalReply(new GatewayError('permission_denied', message, { details: 'auth_not_admin' }));
    return FilterHeadersStatus.StopIteration;
  }

  /** Without, the shared key does. Where there are only keys of tenants, nobody comes in. */
  #administrateWithSharedKey(presented: PresentedKeys): FilterHeadersStatus {
    const { client } = presented;
    return client?.shared === true ? this.#allow(client) : this.#refuse(presented);
  }

  #allow(holder: KeyHolder): FilterHeadersStatus {
    this.holder = holder;
    this.outcome = 'success';
    this.#shared.allowed.inc();
    return FilterHeadersStatus.Continue;
  }

  #refuse({ sent }: PresentedKeys): FilterHeadersStatus {
    const message = sent
      ? 'Invalid API key'
      : 'Missing API key: send it as `Authorization: Bearer <key>` or `x-api-key: <key>`';
    return this.#unauthenticated(sent, message, 'smg');
  }

  #unauthenticated(sent: boolean, message: string, realm: string): FilterHeadersStatus {
    const details = sent ? 'auth_invalid_key' : 'auth_missing_key';
    this.outcome = 'denied';
    if (sent) this.#shared.invalid.inc();
    else this.#shared.missing.inc();
    const challenge = `Bearer realm="${realm}"${sent ? ', error="invalid_token"' : ''}`;
    this.callbacks.sendLocalReply(new GatewayError('invalid_api_key', message, { details }), (reply: ResponseHeaders) =>
      reply.append('www-authenticate', challenge),
    );
    return FilterHeadersStatus.StopIteration;
  }
}

/** The same for administration endpoints whose calls are written down. */
export class AuditedAuthFilter extends AuthFilter {
  readonly #audit: AuditLog;

  constructor(shared: AuthConfig, audit: AuditLog, callbacks: StreamFilterCallbacks) {
    super(shared, callbacks);
    this.#audit = audit;
  }

  onStreamComplete(): void {
    if (this.outcome !== undefined) this.#audit.write(this.callbacks.streamInfo, this.outcome, this.holder);
  }
}
