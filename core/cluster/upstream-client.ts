import type { Clock } from '../api/clock.js';
import { BugError } from '../api/errors.js';
import type {
  UpstreamClient,
  UpstreamExchange,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamTls,
} from '../api/upstream.js';
import type { ClusterStats } from './cluster-stats.js';
import type { PoolStats } from './connection-pool.js';
import type { OriginTransport, TransportCounts } from './origin-transport.js';
import type { OriginPools } from './pool-users.js';
import { TransportGroup } from './transport-group.js';
import { Http1Transport } from './upstream-http1.js';
import { type UpstreamTlsOptions, UpstreamTlsSettings } from './upstream-tls.js';
import type { UndiciTransport } from './upstream-undici.js';
import { DEFAULT_POOL, type PoolSettings } from './worker-spec.js';

/** What the client works with. */
export interface HttpUpstreamClientDependencies {
  readonly clock: Clock;
  readonly stats?: ClusterStats | undefined;
  /** For `https:` workers. */
  readonly tls?: UpstreamTlsOptions | undefined;
}

const READ_BUFFER_BYTES = 64 * 1024;
/** For probes and information endpoints. */
const CONTROL_POOL: PoolSettings = { maxConnections: 8, maxWaiting: 100, idleMs: 3_000 };

/**
 * HTTP to every worker of the process: one pool per origin and set of TLS settings, over our own HTTP/1.1 in clear text
 * and undici for TLS. `send` is synchronous; what has to be loaded for a URL is loaded by `prepare`, at config load.
 */
export class HttpUpstreamClient implements UpstreamClient, OriginPools {
  readonly #clock: Clock;
  readonly #stats: ClusterStats | undefined;
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  /** Workers without TLS settings of their own. */
  readonly #default: TransportGroup;
  /** By id of the settings: connections under one client certificate are never used under another. */
  readonly #secured = new Map<string, TransportGroup>();
  #undici: typeof UndiciTransport | undefined = undefined;

  constructor(dependencies: HttpUpstreamClientDependencies) {
    this.#clock = dependencies.clock;
    this.#stats = dependencies.stats;
    this.#default = new TransportGroup(dependencies.tls ?? {});
  }

  /** Loads what these URLs need. To be awaited before they are configured or sent to. */
  async prepare(urls: Iterable<string>): Promise<void> {
    for (const url of urls) {
      if (this.#undici !== undefined || !url.startsWith('https:')) continue;
      this.#undici = (await import('./upstream-undici.js')).UndiciTransport;
    }
  }

  configure(url: string, label: string, settings: PoolSettings, tls?: UpstreamTls): void {
    const { origin } = new URL(url);
    const group = this.#group(tls);
    group.claim(origin);
    const known = group.transports.get(origin);
    if (known !== undefined) known.configure(settings);
    else this.#add(group, url, settings, label);
  }

  close(url: string, tls?: UpstreamTls): void {
    const group = this.#group(tls);
    group.close(new URL(url).origin);
    this.#dropEmpty(group);
  }

  /** Closes every pool; exchanges under way end in their own time. */
  closeAll(): void {
    for (const group of [this.#default, ...this.#secured.values()]) group.closeAll();
    this.#secured.clear();
  }

  /** No callback runs before it has returned. Throws BugError for headers that must not be written. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    const group = request.tls === undefined ? this.#default : this.#group(request.tls);
    const transport = group.transports.get(request.url) ?? this.#add(group, request.url, DEFAULT_POOL, undefined);
    return transport.send(request, handler);
  }

  /** The same over connections of its own: a worker whose pool is used up by requests must not look dead to its probe. */
  sendControl(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange {
    const group = this.#group(request.tls);
    let transport = group.controlTransports.get(request.url);
    if (transport === undefined) {
      transport = this.#create(group, new URL(request.url), CONTROL_POOL, undefined);
      group.controlTransports.set(request.url, transport);
    }
    return transport.send(request, handler);
  }

  /** Origins that it has pools for: those that are configured, and those to which something is under way. */
  get origins(): number {
    const urls = new Set<string>();
    for (const [id, group] of [['', this.#default] as const, ...this.#secured]) {
      for (const url of [...group.transports.keys(), ...group.controlTransports.keys()]) {
        urls.add(`${id} ${new URL(url).origin}`);
      }
    }
    return urls.size;
  }

  /** What the pools of an origin hold now, the one for control included. */
  counts(url: string, tls?: UpstreamTls): TransportCounts {
    const { origin } = new URL(url);
    const group = tls === undefined ? this.#default : this.#secured.get(tls.id);
    const data = group?.transports.get(origin)?.counts();
    const control = group?.controlTransports.get(origin)?.counts();
    return {
      open: (data?.open ?? 0) + (control?.open ?? 0),
      idle: (data?.idle ?? 0) + (control?.idle ?? 0),
      waiting: (data?.waiting ?? 0) + (control?.waiting ?? 0),
    };
  }

  #group(tls: UpstreamTls | undefined): TransportGroup {
    if (tls === undefined) return this.#default;
    let group = this.#secured.get(tls.id);
    if (group === undefined) {
      if (!(tls instanceof UpstreamTlsSettings)) throw new BugError('TLS settings that this client did not make');
      group = new TransportGroup(tls.options());
      this.#secured.set(tls.id, group);
    }
    return group;
  }

  #add(group: TransportGroup, url: string, settings: PoolSettings, label: string | undefined): OriginTransport {
    const parsed = new URL(url);
    let transport = group.transports.get(parsed.origin);
    if (transport === undefined) {
      transport = this.#create(group, parsed, settings, label);
      group.transports.set(parsed.origin, transport);
    }
    group.transports.set(url, transport);
    return transport;
  }

  #create(group: TransportGroup, url: URL, settings: PoolSettings, label: string | undefined): OriginTransport {
    const onUnused = (): void => {
      group.onUnused(url.origin, transport);
      this.#dropEmpty(group);
    };
    const transport = this.#createTransport(group, url, settings, label, onUnused);
    return transport;
  }

  #createTransport(
    group: TransportGroup,
    origin: URL,
    settings: PoolSettings,
    label: string | undefined,
    onUnused: () => void,
  ): OriginTransport {
    if (origin.protocol === 'http:') {
      const environment = { clock: this.#clock, readBuffer: this.#readBuffer };
      return new Http1Transport(origin, settings, environment, { stats: this.#poolStats(label), onUnused });
    }
    if (origin.protocol !== 'https:') throw new BugError(`No upstream transport for ${origin.protocol}`);
    if (this.#undici === undefined) throw new BugError('prepare() was not awaited for an https: worker');
    return new this.#undici(origin, settings, { clock: this.#clock, tls: group.tls, onUnused });
  }

  #dropEmpty(group: TransportGroup): void {
    if (!group.isEmpty) return;
    for (const [id, secured] of this.#secured) if (secured === group) this.#secured.delete(id);
  }

  #poolStats(label: string | undefined): PoolStats | undefined {
    const stats = this.#stats;
    if (stats === undefined || label === undefined) return undefined;
    return { open: stats.openGauge(label), idle: stats.idleGauge(label), resends: stats.resendCounter(label) };
  }
}
