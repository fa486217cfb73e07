import { BlockList, isIP } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The address in one spelling: an IPv4 address inside IPv6 as IPv4, no zone. Undefined when it is none. */
export function plainAddress(text: string): string | undefined {
  const zone = text.indexOf('%');
  const bare = zone < 0 ? text : text.slice(0, zone);
  if (isIP(bare) === 0) return undefined;
  return MAPPED_IPV4.exec(bare)?.[1] ?? bare;
}

/**
 * Who an address is for counting: IPv4 addresses one by one, IPv6 by their /64 (`2001:db8:0:1::/64`), since whoever has
 * one address there has all of them. Takes what {@link plainAddress} gives.
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    const missing = 8 - groups.length - after.length - (tail.includes('.') ? 1 : 0);
    for (let i = 0; i < missing; i++) groups.push('0');
    groups.push(...after);
  }
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}

/** A set of networks, written `10.0.0.0/8`, `2001:db8::/32`, or single addresses. */
export class NetworkSet {
  readonly #list = new BlockList();

  /** Throws RangeError for what {@link isNetwork} refuses. */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', prefix] = network.split('/');
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
      if (!isNetwork(network)) throw new RangeError(`${network} is not a network`);
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  /** `address` as {@link plainAddress} gives it. */
  has(address: string): boolean {
    return this.#list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}

/** Whether the text is an IP address or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}
