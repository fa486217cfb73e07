import type { Clock, Discovery, DiscoverySink, Lifetime } from '../../../core/api/index.js';
import type { FileDiscoveryConfig } from './config.js';
import { WatchedFile } from './watched-file.js';
import { parseWorkerList, WorkerListError } from './worker-list.js';

/** Workers from a file that somebody else writes: the newest list that is right is what is wanted. */
export class FileDiscovery implements Discovery {
  readonly graceMs: number;
  readonly #config: FileDiscoveryConfig;
  readonly #lifetime: Lifetime;
  readonly #clock: Clock;

  constructor(config: FileDiscoveryConfig, lifetime: Lifetime, clock: Clock) {
    this.#config = config;
    this.#lifetime = lifetime;
    this.#clock = clock;
    this.graceMs = config.grace;
  }

  start(sink: DiscoverySink): void {
    const { path, check_interval } = this.#config;
    const file = new WatchedFile({
      path,
      intervalMs: check_interval,
      clock: this.#clock,
      onText: (text) => this.#onText(text, sink),
      onUnreadable: (reason, message) => sink.onError(reason, message),
    });
    this.#lifetime.onDispose(() => file.close());
    file.start();
  }

  #onText(text: string, sink: DiscoverySink): void {
    const { path } = this.#config;
    try {
      sink.onWorkers(parseWorkerList(text, /\.ya?ml$/i.test(path) ? 'yaml' : 'json'));
    } catch (error) {
      if (!(error instanceof WorkerListError)) throw error;
      sink.onError('invalid', `${path}: ${error.message}`);
    }
  }
}
