import { type promises, REFUSED, SERVFAIL, TIMEOUT } from 'node:dns';
import type { Clock, Discovery, DiscoverySink, Lifetime, Timer } from '../../../core/api/index.js';
import type { DnsDiscoveryConfig } from './config.js';
import { createResolver, lookUp } from './lookup.js';

/** Wait after a first failure, ms; doubled up to the period. */
const FIRST_RETRY_MS = 1_000;

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
    try {
      const workers = await lookUp(resolver, this.#config);
      if (this.#closed) return;
      this.#failures = 0;
      sink.onWorkers(workers);
    } catch (error) {
      if (this.#closed) return;
      this.#failures += 1;
      const { code = 'unknown', hostname } = error as NodeJS.ErrnoException & { hostname?: string };
      // What was asked, and then what came of it; the message of the system says the same in other words.
      sink.onError(REASONS[code] ?? 'failed', `${hostname ?? this.#config.name}: ${code}`);
    }
    const { refresh } = this.#config;
    const delayMs = this.#failures === 0 ? refresh : Math.min(refresh, FIRST_RETRY_MS * 2 ** (this.#failures - 1));
    this.#timer = this.#clock.setTimer(delayMs, () => void this.#round(sink));
  }
}
