import type { GatewayConfig } from '../../config/gateway.js';
import { ADMIN_LISTENER } from '../../config/listener.js';
import { parseCertificates } from '../../config/tls.js';
import type { Counter, Family, Gauge, StatsScope } from '../api/stats.js';

/** What operators watch of certificates: when they end, and handshakes that fail. */
export class TlsMetrics {
  readonly #expiry: Family<Gauge>;
  readonly #failures: Family<Counter>;
  #owners: readonly string[] = [];

  constructor(stats: StatsScope) {
    this.#expiry = stats.gauge({
      name: 'smg_tls_certificate_expiry_seconds',
      help: 'When the first certificate of a chain in use ends, Unix time; owner is listener:NAME or cluster:NAME',
      labels: ['owner'],
    });
    this.#failures = stats.counter({
      name: 'smg_tls_handshake_failures_total',
      help: 'Handshakes of clients that failed, wrong client certificates included',
      labels: ['listener'],
    });
  }

  /** The counter of one listener. */
  failuresOf(listener: string): Counter {
    return this.#failures.with(listener);
  }

  /** The certificates of the config that is in use now. */
  update({ listeners, admin, clusters }: GatewayConfig): void {
    const chains = new Map<string, string>();
    for (const { name, tls } of listeners) if (tls !== undefined) chains.set(`listener:${name}`, tls.cert);
    if (admin.listener?.tls !== undefined) chains.set(`listener:${ADMIN_LISTENER}`, admin.listener.tls.cert);
    for (const { name, tls } of clusters) if (tls?.cert !== undefined) chains.set(`cluster:${name}`, tls.cert);
    for (const owner of this.#owners) if (!chains.has(owner)) this.#expiry.remove(owner);
    for (const [owner, pem] of chains) {
      const ends = parseCertificates(pem).map(({ validTo }) => Date.parse(validTo));
      this.#expiry.with(owner).set(Math.min(...ends) / 1000);
    }
    this.#owners = [...chains.keys()];
  }
}
