import type { ListenerConfig } from '../../config/listener.js';
import type { BoundServer, ServerStreamAcceptor } from '../api/http-server.js';

/** Opens one listener; its acceptor stays the same for its life. */
export type OpenListener = (config: ListenerConfig, accept: ServerStreamAcceptor) => Promise<BoundServer>;

interface OpenedListener {
  readonly key: string;
  readonly name: string;
  readonly server: BoundServer;
}

/** New listeners that wait for their generation to become current. */
export interface PreparedListeners {
  /** From now on these are the listeners; the ones that are no longer wanted drain. */
  commit(): void;
  /** Closes what was opened for a generation that is given up. */
  abandon(): Promise<void>;
}

/**
 * The sockets of the process, kept over reloads by what they are: one that did not change is not touched, a new one is
 * bound before anything is swapped, one that is gone drains afterwards.
 */
export class ListenerSet {
  readonly #open: OpenListener;
  readonly #acceptorOf: (config: ListenerConfig) => ServerStreamAcceptor;
  #current: OpenedListener[] = [];
  readonly #draining = new Set<Promise<void>>();

  constructor(open: OpenListener, acceptorOf: (config: ListenerConfig) => ServerStreamAcceptor) {
    this.#open = open;
    this.#acceptorOf = acceptorOf;
  }

  /** Bound addresses, in the order of the config. */
  get addresses(): readonly { readonly name: string; readonly host: string; readonly port: number }[] {
    return this.#current.map(({ name, server }) => ({ name, host: server.host, port: server.port }));
  }

  /** Binds what is new. Rejects with the first socket that cannot be had, nothing left open. */
  async prepare(configs: readonly ListenerConfig[]): Promise<PreparedListeners> {
    const opened: OpenedListener[] = [];
    const next: OpenedListener[] = [];
    try {
      for (const config of configs) {
        const key = keyOf(config);
        const kept = this.#current.find((listener) => listener.key === key);
        const listener = kept ?? { key, name: config.name, server: await this.#bind(config) };
        if (kept === undefined) opened.push(listener);
        next.push(listener);
      }
    } catch (error) {
      await Promise.all(opened.map(({ server }) => server.close()));
      throw error;
    }
    return {
      commit: () => {
        const gone = this.#current.filter((listener) => !next.includes(listener));
        this.#current = next;
        for (const { server } of gone) this.#drain(server);
      },
      abandon: async () => {
        await Promise.all(opened.map(({ server }) => server.close()));
      },
    };
  }

  #bind(config: ListenerConfig): Promise<BoundServer> {
    return this.#open(config, this.#acceptorOf(config));
  }

  #drain(server: BoundServer): void {
    const draining = server.drain().finally(() => this.#draining.delete(draining));
    this.#draining.add(draining);
  }

  /** Accepts nothing more; resolves when the last connection is gone. */
  async drain(): Promise<void> {
    for (const { server } of this.#current) this.#drain(server);
    await Promise.all(this.#draining);
  }

  /** Closes every connection at once. */
  async close(): Promise<void> {
    await Promise.all(this.#current.map(({ server }) => server.close()));
  }
}

/** Equal keys: the same socket serves on. Secrets take part through their text and never leave this process. */
function keyOf(config: ListenerConfig): string {
  const tls = config.tls === undefined ? undefined : [config.tls.cert, config.tls.key.reveal()];
  return JSON.stringify([config.name, config.host, config.port, config.limits, tls]);
}
