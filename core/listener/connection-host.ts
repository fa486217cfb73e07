import { type Clock, COARSE_TICK_MS, type Timer } from '../api/clock.js';
import type { ServerStreamAcceptor } from '../api/http-server.js';
import type { ListenerLimits } from './listener-limits.js';
import type { SocketWriter } from './socket-writer.js';

/** One client connection, as its listener sees it. */
export interface ServerConnection {
  /** No request is being read or answered. */
  readonly idle: boolean;
  /** Called about once a second: ends what has waited too long. */
  sweep(nowMs: number): void;
  /** Ends after the requests that are being served; at once when idle. */
  drain(): void;
  /** Ends now; handlers are told `shutdown`. */
  destroy(): void;
}

const LONGEST_SWEEP_MS = 1000;

/**
 * What the connections of one listener share: the acceptor, the limits, one timer for all deadlines, the `Date` line,
 * and one flush per tick for everything that was written in it.
 */
export class ConnectionHost {
  readonly accept: ServerStreamAcceptor;
  readonly limits: ListenerLimits;
  readonly scheme: 'http' | 'https';
  readonly connections = new Set<ServerConnection>();
  /** Whole line with its end; at most two sweeps old. */
  dateLine = '';
  draining = false;

  readonly #clock: Clock;
  readonly #sweepMs: number;
  readonly #onEmpty: () => void;
  readonly #sweep: () => void;
  readonly #flush: () => void;
  #timer: Timer | undefined = undefined;
  #unflushed: SocketWriter[] = [];

  /** `onEmpty`: the last connection is gone. */
  constructor(
    accept: ServerStreamAcceptor,
    limits: ListenerLimits,
    scheme: 'http' | 'https',
    clock: Clock,
    onEmpty: () => void,
  ) {
    this.accept = accept;
    this.limits = limits;
    this.scheme = scheme;
    this.#clock = clock;
    this.#onEmpty = onEmpty;
    const times = [limits.headMs, limits.keepAliveMs, limits.bodyStallMs, limits.writeStallMs].filter((ms) => ms > 0);
    this.#sweepMs = Math.max(COARSE_TICK_MS, Math.min(LONGEST_SWEEP_MS, ...times.map((ms) => ms / 4)));
    this.#sweep = () => this.#sweepAll();
    this.#flush = () => this.#flushAll();
  }

  add(connection: ServerConnection): void {
    this.connections.add(connection);
    if (this.#timer !== undefined) return;
    this.#refreshDate();
    this.#timer = this.#clock.setCoarseTimer(this.#sweepMs, this.#sweep);
  }

  remove(connection: ServerConnection): void {
    if (!this.connections.delete(connection) || this.connections.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#onEmpty();
  }

  /** Flushes `writer` at the end of the current tick, before any I/O. */
  flushLater(writer: SocketWriter): void {
    if (this.#unflushed.push(writer) === 1) process.nextTick(this.#flush);
  }

  #flushAll(): void {
    const writers = this.#unflushed;
    this.#unflushed = [];
    for (const writer of writers) writer.flush();
  }

  #sweepAll(): void {
    this.#timer = this.#clock.setCoarseTimer(this.#sweepMs, this.#sweep);
    this.#refreshDate();
    const nowMs = this.#clock.monotonicMs();
    for (const connection of this.connections) connection.sweep(nowMs);
  }

  #refreshDate(): void {
    this.dateLine = `date: ${new Date(this.#clock.nowMs()).toUTCString()}\r\n`;
  }
}
