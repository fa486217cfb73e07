import type { DiscoveryConfig } from '../../../config/gateway.js';
import { Secret } from '../../../config/secret.js';
import type { Lifetime } from '../../api/define.js';
import type { Discovery } from '../../api/discovery.js';
import { GenerationLifetime } from '../generation-lifetime.js';
import { UsagePool } from '../usage-pool.js';
import type { DiscoveryCluster } from './discovered-spec.js';
import { DiscoveryFeed, type DiscoveryFeedDependencies } from './discovery-feed.js';

interface RunningFeed {
  readonly feed: DiscoveryFeed;
  readonly lifetime: GenerationLifetime;
}

/** The discoveries that run, kept over reloads that leave them alone. */
export class Discoveries {
  readonly #dependencies: DiscoveryFeedDependencies;
  readonly #feeds = new UsagePool<RunningFeed>();

  constructor(dependencies: DiscoveryFeedDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * The running discovery of a cluster for a generation that lives as long as `owner`; started by `create` when there is
   * none with the same settings. Rejects with what `create` rejects with.
   */
  async acquire(
    config: DiscoveryConfig,
    cluster: DiscoveryCluster,
    owner: Lifetime,
    create: (lifetime: Lifetime) => Promise<Discovery>,
  ): Promise<DiscoveryFeed> {
    const key = keyOf(config, cluster.config.name);
    const running = await this.#feeds.acquire(
      key,
      () => this.#start(config, cluster, create),
      async ({ feed, lifetime }) => {
        feed.close();
        await lifetime.dispose();
      },
    );
    owner.onDispose(() => this.#feeds.release(key));
    return running.feed;
  }

  async #start(
    { type }: DiscoveryConfig,
    cluster: DiscoveryCluster,
    create: (lifetime: Lifetime) => Promise<Discovery>,
  ): Promise<RunningFeed> {
    const lifetime = new GenerationLifetime();
    try {
      const discovery = await create(lifetime);
      const feed = new DiscoveryFeed(type, cluster, discovery.graceMs, this.#dependencies);
      feed.start(discovery);
      return { feed, lifetime };
    } catch (error) {
      await lifetime.dispose();
      throw error;
    }
  }
}

/** Equal for equal settings, secrets included. */
function keyOf({ type, config }: DiscoveryConfig, cluster: string): string {
  return JSON.stringify([cluster, type, config], function (this: Record<string, unknown>, key, value: unknown) {
    const original = this[key];
    return original instanceof Secret ? original.fingerprint : value;
  });
}
