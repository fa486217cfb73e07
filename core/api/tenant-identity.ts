import type { RequestHeaders } from './headers.js';
import { addressKey, NetworkSet, plainAddress } from './ip-address.js';
import type { StreamInfo } from './stream-info.js';

/** Longest tenant name that is taken from a header, characters. */
const MAX_HEADER_TENANT_LENGTH = 256;
/** Hops of `X-Forwarded-For` that are looked at, from the right. */
const MAX_HOPS = 32;

/** What the identity of a caller is taken from beside its key. */
export interface TenantIdentitySettings {
  /** Lower case; undefined: no header is believed. */
  readonly header: string | undefined;
  /** Networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

/**
 * Tells whose a request is, for limits. First that applies: `auth:<tenant>` of its key, `header:<value>` of the trusted
 * header, `ip:<address>` of the client, `anonymous`.
 */
export class TenantIdentity {
  readonly #header: string | undefined;
  readonly #proxies: NetworkSet | undefined;

  constructor(settings: TenantIdentitySettings) {
    this.#header = settings.header;
    this.#proxies = settings.trustedProxies.length === 0 ? undefined : new NetworkSet(settings.trustedProxies);
  }

  tenantOf(info: StreamInfo, headers: RequestHeaders): string {
    if (info.principal !== undefined) return `auth:${info.principal.tenant}`;
    const named = this.#header === undefined ? undefined : this.#fromHeader(headers, this.#header);
    if (named !== undefined) return `header:${named}`;
    const address = this.addressOf(info, headers);
    return address === undefined ? 'anonymous' : `ip:${address}`;
  }

  /**
   * Address of the client, IPv6 as its /64; undefined on sockets without addresses. Behind trusted proxies it is the
   * rightmost address of `X-Forwarded-For` that is none of theirs: what stands left of it anybody may have written.
   */
  addressOf(info: StreamInfo, headers: RequestHeaders): string | undefined {
    const peer = plainAddress(info.remoteAddress);
    if (peer === undefined) return undefined;
    const proxies = this.#proxies;
    if (proxies?.has(peer) !== true) return addressKey(peer);
    let client = peer;
    const hops = headers.getAll('x-forwarded-for').join(',').split(',').slice(-MAX_HOPS);
    for (let i = hops.length - 1; i >= 0; i--) {
      const hop = plainAddress(withoutPort((hops[i] as string).trim()));
      if (hop === undefined) break;
      client = hop;
      if (!proxies.has(hop)) break;
    }
    return addressKey(client);
  }

  /** Only a header that came once: of two, nobody knows which one the proxy wrote. */
  #fromHeader(headers: RequestHeaders, name: string): string | undefined {
    const values = headers.getAll(name);
    const value = values.length === 1 ? (values[0] as string).trim() : '';
    return value === '' || value.length > MAX_HEADER_TENANT_LENGTH ? undefined : value;
  }
}

/** `1.2.3.4:80` and `[::1]:80` as some proxies write them. */
function withoutPort(text: string): string {
  if (text.startsWith('[')) return text.slice(1, Math.max(1, text.indexOf(']')));
  const colon = text.indexOf(':');
  return colon > 0 && text.indexOf(':', colon + 1) < 0 ? text.slice(0, colon) : text;
}
