import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** Answer of {@link NetworkAllowList.check}. `reason` is for the administrator who named the URL. */
export type NetworkVerdict =
  | { readonly allowed: true; readonly addresses: readonly string[] }
  | { readonly allowed: false; readonly reason: string };

/** Addresses of a host name, as a connection to it would find them. Rejects when there are none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** How long a name may take to resolve, ms. */
const RESOLVE_LIMIT_MS = 5_000;

/**
 * Networks in which workers may be that somebody adds at run time, so that whoever may add one cannot turn the gateway
 * into a way to every address that it reaches. Anything that is not surely inside is refused: a name must resolve, and
 * all its addresses must be allowed. Names are resolved again for each connection; who controls the name can still point
 * it elsewhere afterwards, so allow names only of zones that you trust.
 */
export class NetworkAllowList {
  readonly #networks = new BlockList();
  readonly #resolve: ResolveHost;

  /** `networks`: checked CIDR (`10.0.0.0/8`) or single addresses; an empty list allows nothing. */
  constructor(networks: readonly string[], resolve: ResolveHost = resolveHost) {
    this.#resolve = resolve;
    for (const network of networks) {
      const [address, prefix] = network.split('/') as [string, string | undefined];
      const family = familyOf(address);
      this.#networks.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
    }
  }

  /** Whether a worker may be at this URL. Never rejects. */
  async check(url: string): Promise<NetworkVerdict> {
    if (!URL.canParse(url)) return refused('it is not a URL');
    // The parser has turned every spelling of an IPv4 address (hex, octal, one number) into the usual one.
    const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
    if (host === '') return refused('it has no host');
    let addresses: readonly string[];
    try {
      addresses = isIP(host) === 0 ? await withLimit(this.#resolve(host)) : [host];
    } catch {
      return refused(`the host ${host} does not resolve`);
    }
    if (addresses.length === 0) return refused(`the host ${host} does not resolve`);
    const outside = addresses.find((address) => !this.#contains(address));
    if (outside === undefined) return { allowed: true, addresses };
    const what = outside === host ? host : `${outside}, an address of ${host},`;
    return refused(`${what} is in none of the networks of admin.workers.allow_networks`);
  }

  #contains(address: string): boolean {
    // An IPv4 address in IPv6 clothes is the IPv4 address; a zone says only where it is reached.
    const text = address.replace(/%.*$/, '');
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
    if (mapped !== undefined) return this.#networks.check(mapped, 'ipv4');
    return isIP(text) !== 0 && this.#networks.check(text, familyOf(text));
  }
}

function refused(reason: string): NetworkVerdict {
  return { allowed: false, reason };
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

async function resolveHost(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

async function withLimit<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the resolver does not answer')), RESOLVE_LIMIT_MS);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
