import { type promises, REFUSED, SERVFAIL, TIMEOUT } from 'node:dns';
import type { Clock, Discovery, DiscoverySink, Lifetime, Timer } from '../../../core/api/index.js';
import type { DnsDiscoveryConfig } from './config.js';
import { createResolver, lookUp } from './lookup.js';

/** Wait after a first failure, ms; doubled up to the period. */
const FIRST_RETRY_MS = 1_000;

/** Records that live shorter are asked for this often, ms, unless `refresh` is shorter still. */
const MIN_PERIOD_MS = 5_000;

const REASONS: Readonly<Record<string, string>> = {
  [TIMEOUT]: 'timeout',
  [SERVFAIL]: 'servfail',
  [REFUSED]: 'refused',
};

/** Workers that a DNS name stands for, asked for again and again. An answer that says "none" is a list like any other. */
export class DnsDiscovery implements Discovery {
  readonly graceMs: number;
  readonly #config: DnsDiscoveryConfig;
  readonly #lifetime: Lifetime;
  readonly #clock: Clock;
  #resolver: promises.Resolver | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #failures = 0;
  #closed = false;

  constructor(config: DnsDiscoveryConfig, lifetime: Lifetime, clock: Clock) {
    this.#config = config;
    this.#lifetime = lifetime;
    this.#clock = clock;
    this.graceMs = config.grace;
  }

  start(sink: DiscoverySink): void {
    this.#lifetime.onDispose(() => {
      this.#closed = true;
      this.#timer?.cancel();
      this.#resolver?.cancel();
    });
    void this.#round(sink);
  }

  /** Never rejects. */
  async #round(sink: DiscoverySink): Promise<void> {
    // A new one each time: the system's servers may have changed.
    const resolver = createResolver(this.#config);
    this.#resolver = resolver;
    const { refresh } = this.#config;
    let delayMs: number;
    try {
      const { workers, ttlMs } = await lookUp(resolver, this.#config);
      if (this.#closed) return;
      this.#failures = 0;
      delayMs = Math.min(refresh, Math.max(ttlMs, MIN_PERIOD_MS));
      sink.onWorkers(workers);
    } catch (error) {
      if (this.#closed) return;
      delayMs = Math.min(refresh, FIRST_RETRY_MS * 2 ** this.#failures);
      this.#failures += 1;
      const { code = 'unknown', hostname } = error as NodeJS.ErrnoException & { hostname?: string };
      // What was asked, and then what came of it; the message of the system says the same in other words.
      sink.onError(REASONS[code] ?? 'failed', `${hostname ?? this.#config.name}: ${code}`);
    }
    this.#timer = this.#clock.setTimer(delayMs, () => void this.#round(sink));
  }
}
