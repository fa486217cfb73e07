import { NODATA, NOTFOUND, promises, type SrvRecord } from 'node:dns';
import type { DiscoveredWorker } from '../../../core/api/index.js';
import type { DnsDiscoveryConfig } from './config.js';

/** Limit of one question to one server, ms; it is asked twice. */
const QUERY_TIMEOUT_MS = 2_000;

/** Highest SRV priority number, which is the one that is used last. */
const LAST_PRIORITY = 65_535;

/** What one round has found. */
export interface LookupResult {
  readonly workers: readonly DiscoveredWorker[];
  /** How long the shortest-lived address may be kept, ms; Infinity where no answer tells: Node hides the TTL of SRV records. */
  readonly ttlMs: number;
}

interface Addresses {
  readonly list: readonly string[];
  readonly ttlMs: number;
}

/** A resolver with the servers that the config names, else those that the system names now. */
export function createResolver({ resolver: server }: DnsDiscoveryConfig): promises.Resolver {
  const resolver = new promises.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 2 });
  if (server !== undefined) resolver.setServers([server]);
  return resolver;
}

/** Asks for everything that the config names. Rejects when some answer is missing: half an answer is none. */
export async function lookUp(resolver: promises.Resolver, config: DnsDiscoveryConfig): Promise<LookupResult> {
  const { name, type, port } = config;
  if (type === 'srv' || (type === 'auto' && name.startsWith('_'))) return lookUpServices(resolver, config);
  const { list, ttlMs } = await lookUpAddresses(resolver, name, type);
  const prefix = config.scheme === undefined ? '' : `${config.scheme}://`;
  const addresses = [...new Set(list)].sort();
  return { workers: addresses.map((address) => ({ url: prefix + authority(address, port as number) })), ttlMs };
}

async function lookUpServices(resolver: promises.Resolver, config: DnsDiscoveryConfig): Promise<LookupResult> {
  const answers = await recordsOf(() => resolver.resolveSrv(config.name));
  // A single root name says that the service is not offered (RFC 2782).
  const records = answers
    .map((record) => ({ ...record, name: record.name.toLowerCase().replace(/\.$/, '') }))
    .filter(({ name }) => name !== '')
    .sort(byPreference);
  const hosts = new Map<string, Addresses>();
  for (const { name } of records) hosts.set(name, { list: [name], ttlMs: Number.POSITIVE_INFINITY });
  // A server that is named in the config may be the only one that knows the targets (Consul).
  if (config.resolver !== undefined) {
    await Promise.all(
      [...hosts.keys()].map(async (name) => hosts.set(name, await lookUpAddresses(resolver, name, 'auto'))),
    );
  }
  const prefix = config.scheme === undefined ? '' : `${config.scheme}://`;
  const workers = new Map<string, DiscoveredWorker>();
  for (const record of records) {
    const weight = weightOf(record, records);
    for (const host of [...(hosts.get(record.name) as Addresses).list].sort()) {
      const url = prefix + authority(host, record.port);
      const id = `${record.name}:${record.port}`;
      if (!workers.has(url)) workers.set(url, { url, id, priority: LAST_PRIORITY - record.priority, weight });
    }
  }
  return { workers: [...workers.values()], ttlMs: Math.min(...Array.from(hosts.values(), ({ ttlMs }) => ttlMs)) };
}

function byPreference(left: SrvRecord, right: SrvRecord): number {
  return left.priority - right.priority || (left.name < right.name ? -1 : 1) || left.port - right.port;
}

/** RFC 2782: weight 0 is a very small chance beside other weights, and no weighing where all have it. */
function weightOf({ weight, priority }: SrvRecord, records: readonly SrvRecord[]): number {
  if (weight > 0) return weight;
  const others = records.filter((record) => record.priority === priority && record.weight > 0);
  return others.length === 0 ? 1 : Math.min(...others.map((record) => record.weight)) / 100;
}

async function lookUpAddresses(
  resolver: promises.Resolver,
  name: string,
  type: 'auto' | 'a' | 'aaaa' | 'srv',
): Promise<Addresses> {
  const ipv4 = type === 'aaaa' ? [] : await recordsOf(() => resolver.resolve4(name, { ttl: true }));
  // Not both: they mostly name the same machines twice.
  const isDone = type === 'a' || ipv4.length > 0;
  const records = isDone ? ipv4 : await recordsOf(() => resolver.resolve6(name, { ttl: true }));
  return { list: records.map(({ address }) => address), ttlMs: Math.min(...records.map(({ ttl }) => ttl * 1_000)) };
}

/** None where the name or its records do not exist, by the word of a server; everything else rejects. */
async function recordsOf<T>(ask: () => Promise<T[]>): Promise<T[]> {
  try {
    return await ask();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === NOTFOUND || code === NODATA) return [];
    throw error;
  }
}

function authority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
