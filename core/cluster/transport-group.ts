import type { OriginTransport } from './origin-transport.js';
import type { UpstreamTlsOptions } from './upstream-tls.js';

/**
 * The pools of all origins that are spoken to by the same TLS settings. An origin that is claimed has its pools until it is
 * closed; what is sent to any other one (a request that was on its way when the worker was removed) gets pools that go with
 * their last connection.
 */
export class TransportGroup {
  readonly tls: UpstreamTlsOptions;
  /** By origin, and by each other spelling of it that was used (base URLs): as many as the configs have URLs. */
  readonly transports = new Map<string, OriginTransport>();
  /** By origin. */
  readonly controlTransports = new Map<string, OriginTransport>();
  readonly #claimed = new Set<string>();

  constructor(tls: UpstreamTlsOptions) {
    this.tls = tls;
  }

  get isEmpty(): boolean {
    return this.transports.size + this.controlTransports.size + this.#claimed.size === 0;
  }

  /** What was made before, for a request that nobody had claimed the origin for, ends in its own time. */
  claim(origin: string): void {
    if (this.#claimed.has(origin)) return;
    this.#claimed.add(origin);
    const transport = this.transports.get(origin);
    if (transport !== undefined) this.#forget(this.transports, transport);
  }

  /** Closes the pools of one origin, which is no longer claimed. */
  close(origin: string): void {
    this.#claimed.delete(origin);
    for (const map of [this.transports, this.controlTransports]) {
      const transport = map.get(origin);
      if (transport === undefined) continue;
      this.#forget(map, transport);
      transport.close();
    }
  }

  /** From a transport: nothing is under way on it, and no connection is left. */
  onUnused(origin: string, transport: OriginTransport): void {
    if (this.#claimed.has(origin) && this.#isKnown(transport)) return;
    this.#forget(this.transports, transport);
    this.#forget(this.controlTransports, transport);
    transport.close();
  }

  closeAll(): void {
    const transports = new Set([...this.transports.values(), ...this.controlTransports.values()]);
    this.transports.clear();
    this.controlTransports.clear();
    this.#claimed.clear();
    for (const transport of transports) transport.close();
  }

  #isKnown(transport: OriginTransport): boolean {
    for (const map of [this.transports, this.controlTransports]) {
      for (const value of map.values()) if (value === transport) return true;
    }
    return false;
  }

  #forget(map: Map<string, OriginTransport>, transport: OriginTransport): void {
    for (const [key, value] of map) if (value === transport) map.delete(key);
  }
}
