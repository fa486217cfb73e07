import type { UpstreamTls } from '../api/upstream.js';
import type { PoolSettings, WorkerSpec } from './worker-spec.js';

/** Where the registry says which connections are in use: one pool an origin and set of TLS settings. */
export interface OriginPools {
  /** `label` names the pool in metrics. Repeated calls change the settings. */
  configure(url: string, label: string, settings: PoolSettings, tls?: UpstreamTls): void;
  /** Closes what is unused now, and the rest as it becomes so. */
  close(url: string, tls?: UpstreamTls): void;
}

interface Place {
  readonly key: string;
  readonly url: string;
  readonly tls: UpstreamTls | undefined;
}

/** Which workers use which pool. Workers of one origin share it as long as they speak TLS alike. */
export class PoolUsers {
  readonly #pools: OriginPools;
  /** By worker id. */
  readonly #places = new Map<string, Place>();
  readonly #counts = new Map<string, number>();

  constructor(pools: OriginPools) {
    this.#pools = pools;
  }

  /**
   * The worker goes by this spec from now on. A pool that it used before, and nobody else does, takes no new requests:
   * what runs on it ends in its own time.
   */
  use(workerId: string, spec: WorkerSpec): void {
    const { url, tls, pool } = spec;
    const key = `${new URL(url).origin} ${tls?.id ?? ''}`;
    this.#pools.configure(url, workerId, pool, tls);
    const before = this.#places.get(workerId);
    if (before?.key === key) return;
    this.#places.set(workerId, { key, url, tls });
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (before !== undefined) this.#leave(before);
  }

  /** The worker is gone. */
  leave(workerId: string): void {
    const place = this.#places.get(workerId);
    if (place === undefined) return;
    this.#places.delete(workerId);
    this.#leave(place);
  }

  /** All are gone: the end of the process. */
  leaveAll(): void {
    for (const id of [...this.#places.keys()]) this.leave(id);
  }

  #leave({ key, url, tls }: Place): void {
    const sharing = (this.#counts.get(key) as number) - 1;
    if (sharing > 0) {
      this.#counts.set(key, sharing);
      return;
    }
    this.#counts.delete(key);
    this.#pools.close(url, tls);
  }
}
