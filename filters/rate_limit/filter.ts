import {
  type Clock,
  type Counter,
  type ErrorCode,
  FilterHeadersStatus,
  GatewayError,
  type RequestHeaders,
  type ResponseHeaders,
  type StatsScope,
  type StreamFilter,
  type StreamFilterCallbacks,
  TenantIdentity,
} from '../../core/api/index.js';
import type { RateLimitSettings } from './config.js';
import type { RateLimit, RequestBuckets } from './request-buckets.js';

/** What a limit counts. */
type Scope = 'global' | 'address' | 'tenant';

const REFUSALS: Readonly<Record<Scope, readonly [ErrorCode, string]>> = {
  global: ['rate_limited', 'The gateway takes no more requests at this rate'],
  address: ['rate_limited', 'Too many requests from this address'],
  tenant: ['tenant_rate_limit_exceeded', 'Tenant rate limit exceeded for this request'],
};

/** What the streams of one generation share. The buckets are shared with the other generations. */
export class RateLimitConfig {
  readonly settings: RateLimitSettings;
  readonly identity: TenantIdentity;
  readonly buckets: RequestBuckets;
  readonly clock: Clock;
  readonly #allowed: Counter;
  readonly #rejected: Readonly<Record<Scope, Counter>>;

  constructor(settings: RateLimitSettings, buckets: RequestBuckets, clock: Clock, stats: StatsScope) {
    this.settings = settings;
    this.identity = new TenantIdentity(settings.identity);
    this.buckets = buckets;
    this.clock = clock;
    const requests = stats.counter({
      name: 'smg_rate_limit_requests_total',
      help: 'Requests that a rate limit let pass or turned away; by which limit: global, address, tenant',
      labels: ['result', 'limit'],
    });
    this.#allowed = requests.with('allowed', '');
    this.#rejected = {
      global: requests.with('rejected', 'global'),
      address: requests.with('rejected', 'address'),
      tenant: requests.with('rejected', 'tenant'),
    };
  }

  countAllowed(): void {
    this.#allowed.inc();
  }

  countRejected(scope: Scope): void {
    this.#rejected[scope].inc();
  }
}

/** One limit that a request falls under. */
interface Applied {
  readonly scope: Scope;
  readonly key: string;
  readonly limit: RateLimit;
}

/**
 * Takes one request from every bucket that it falls under, or from none of them and turns it away. Counts once per request
 * of a client, since it stands above what repeats attempts.
 */
export class RateLimitFilter implements StreamFilter {
  readonly #shared: RateLimitConfig;
  readonly #callbacks: StreamFilterCallbacks;
  /** The limit that the answer tells of: the one that turned it away, else the one with the least left. */
  #shown: Applied | undefined = undefined;

  constructor(shared: RateLimitConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { buckets, clock } = this.#shared;
    const applied = this.#limitsOf(headers);
    const nowMs = clock.monotonicMs();
    let longestMs = 0;
    for (const each of applied) {
      const waitMs = buckets.waitMs(each.key, each.limit, nowMs);
      if (waitMs <= longestMs) continue;
      longestMs = waitMs;
      this.#shown = each;
    }
    if (longestMs > 0) {
      this.#refuse((this.#shown as Applied).scope, longestMs);
      return FilterHeadersStatus.StopIteration;
    }
    let least = Number.POSITIVE_INFINITY;
    for (const each of applied) {
      buckets.take(each.key, each.limit, nowMs);
      const { remaining } = buckets.stateOf(each.key, each.limit, nowMs);
      if (remaining >= least) continue;
      least = remaining;
      this.#shown = each;
    }
    this.#shared.countAllowed();
    return FilterHeadersStatus.Continue;
  }

  /** Names and meaning of draft-ietf-httpapi-ratelimit-headers-06; `reset` is when the bucket will be full. */
  encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    const shown = this.#shown;
    if (shown === undefined) return FilterHeadersStatus.Continue;
    const { buckets, clock } = this.#shared;
    const { remaining, resetMs } = buckets.stateOf(shown.key, shown.limit, clock.monotonicMs());
    headers.set('ratelimit-limit', String(shown.limit.burst));
    headers.set('ratelimit-remaining', String(remaining));
    headers.set('ratelimit-reset', String(Math.ceil(resetMs / 1000)));
    return FilterHeadersStatus.Continue;
  }

  #limitsOf(headers: RequestHeaders): Applied[] {
    const { identity, settings } = this.#shared;
    const { streamInfo } = this.#callbacks;
    const applied: Applied[] = [];
    if (settings.global !== undefined) applied.push({ scope: 'global', key: 'global', limit: settings.global });
    if (settings.address !== undefined) {
      // Sockets without addresses (Unix domain) share one bucket.
      const key = `address ${identity.addressOf(streamInfo, headers) ?? 'none'}`;
      applied.push({ scope: 'address', key, limit: settings.address });
    }
    if (settings.otherTenants === undefined && settings.tenants.size === 0) return applied;
    const tenant = identity.tenantOf(streamInfo, headers);
    const limit = settings.tenants.has(tenant) ? settings.tenants.get(tenant) : settings.otherTenants;
    if (limit !== undefined) applied.push({ scope: 'tenant', key: `tenant ${tenant}`, limit });
    return applied;
  }

  #refuse(scope: Scope, waitMs: number): void {
    this.#shared.countRejected(scope);
    const [code, message] = REFUSALS[scope];
    const details = `rate_limit_${scope}`;
    this.#callbacks.sendLocalReply(new GatewayError(code, message, { details, retryAfterMs: waitMs }));
  }
}
