import type { GatewayConfig } from '../../config/gateway.js';
import { ADMIN_LISTENER, type ListenerConfig } from '../../config/listener.js';
import type { ServerStreamAcceptor } from '../api/http-server.js';
import type { Listener, ListenerService } from '../listener/listener.js';

/** One listener as a configuration wants it. */
export interface ServedListener {
  readonly config: ListenerConfig;
  /** `administration`: information and administration endpoints only. */
  readonly role: 'clients' | 'administration';
}

/** Binds one listener. */
export type OpenListener = (
  place: { readonly host: string; readonly port: number },
  service: ListenerService,
  accept: ServerStreamAcceptor,
) => Promise<Listener>;

interface OpenedListener {
  /** Where it is bound: what cannot be changed. */
  readonly place: string;
  /** How it serves. */
  readonly settings: string;
  readonly name: string;
  readonly scheme: 'http' | 'https';
  readonly server: Listener;
}

/** Where a listener is bound. */
export interface ListenerAddress {
  readonly name: string;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

/** Listeners that wait for their generation to become current. */
export interface PreparedListeners {
  /** From now on these are the listeners; the ones that are no longer wanted drain. */
  commit(): void;
  /** Closes what was opened for a generation that is given up. */
  abandon(): Promise<void>;
}

/**
 * The sockets of the process, kept over reloads by where they are bound. A new one is bound before anything is swapped;
 * one whose certificate, limits or name changed goes on with them for new connections; one that is gone drains
 * afterwards.
 */
export class ListenerSet {
  readonly #open: OpenListener;
  readonly #acceptorOf: (listener: ServedListener) => ServerStreamAcceptor;
  readonly #onHandshakeFailed: (name: string) => void;
  #current: OpenedListener[] = [];
  readonly #draining = new Set<Promise<void>>();

  /** `onHandshakeFailed` gets the name of the listener. */
  constructor(
    open: OpenListener,
    acceptorOf: (listener: ServedListener) => ServerStreamAcceptor,
    onHandshakeFailed: (name: string) => void,
  ) {
    this.#open = open;
    this.#acceptorOf = acceptorOf;
    this.#onHandshakeFailed = onHandshakeFailed;
  }

  /** Bound addresses, in the order of the config. */
  get addresses(): readonly ListenerAddress[] {
    return this.#current.map(({ name, scheme, server }) => ({ name, scheme, host: server.host, port: server.port }));
  }

  /** Client connections that are open. */
  get connections(): number {
    return this.#current.reduce((count, { server }) => count + server.connections.open, 0);
  }

  /** Binds what is new and makes ready what changes. Rejects with the first failure, nothing left open or changed. */
  async prepare(listeners: readonly ServedListener[]): Promise<PreparedListeners> {
    const opened: OpenedListener[] = [];
    const next: OpenedListener[] = [];
    const changes: (() => void)[] = [];
    try {
      for (const listener of listeners) {
        const { config } = listener;
        const place = placeOf(config);
        const settings = settingsOf(listener);
        const { name } = config;
        const scheme = config.tls === undefined ? 'http' : 'https';
        const known = this.#current.find((other) => other.place === place);
        if (known === undefined) {
          const server = await this.#open(
            config,
            serviceOf(config, this.#onHandshakeFailed),
            this.#acceptorOf(listener),
          );
          opened.push({ place, settings, name, scheme, server });
        } else if (known.settings !== settings) {
          changes.push(known.server.prepare(serviceOf(config, this.#onHandshakeFailed), this.#acceptorOf(listener)));
        }
        const server = known?.server ?? (opened.at(-1) as OpenedListener).server;
        next.push({ place, settings, name, scheme, server });
      }
    } catch (error) {
      await Promise.all(opened.map(({ server }) => server.close()));
      throw error;
    }
    return {
      commit: () => {
        const kept = new Set(next.map(({ server }) => server));
        const gone = this.#current.filter(({ server }) => !kept.has(server));
        this.#current = next;
        for (const change of changes) change();
        for (const { server } of gone) this.#drain(server);
      },
      abandon: async () => {
        await Promise.all(opened.map(({ server }) => server.close()));
      },
    };
  }

  #drain(server: Listener): void {
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

/** Those for clients and, where administration has its own, that one. */
export function servedListeners({ listeners, admin }: GatewayConfig): ServedListener[] {
  const clients = listeners.filter(({ kind }) => kind === 'http');
  const served: ServedListener[] = clients.map((config) => ({ config, role: 'clients' }));
  if (admin.listener === undefined) return served;
  return [...served, { config: { ...admin.listener, kind: 'http', name: ADMIN_LISTENER }, role: 'administration' }];
}

/** Equal places: one socket. A port that the system chooses belongs to the name. */
function placeOf({ name, host, port }: ListenerConfig): string {
  return port === 0 ? `${host} ${name}` : `${host} ${port}`;
}

function settingsOf({ config, role }: ServedListener): string {
  const { name, limits, tls } = config;
  return JSON.stringify([name, role, limits, tls, tls?.key.fingerprint]);
}

function serviceOf({ name, limits, tls }: ListenerConfig, onHandshakeFailed: (name: string) => void): ListenerService {
  return {
    ...(tls !== undefined && {
      tls: {
        cert: tls.cert,
        key: tls.key.reveal(),
        onHandshakeFailed: () => onHandshakeFailed(name),
        ...(tls.client_ca !== undefined && { ca: tls.client_ca, clientAuth: tls.client_auth ?? 'require' }),
      },
    }),
    limits: {
      maxHeadBytes: limits.header,
      maxFields: limits.header_count,
      headMs: limits.head_timeout,
      bodyStallMs: limits.body_stall_timeout,
      writeStallMs: limits.write_stall_timeout,
      keepAliveMs: limits.idle_timeout,
    },
  };
}
