import type { Clock, Timer } from '../api/clock.js';
import type { GatewayError } from '../api/errors.js';
import type { Counter, Gauge } from '../api/stats.js';
import { type ConnectionOwner, type ConnectionTarget, Http1Connection } from './http1-connection.js';
import type { ExchangeCarrier, Http1Exchange } from './http1-exchange.js';
import { poolClosedError, poolExhaustedError } from './upstream-errors.js';
import type { PoolSettings } from './worker-spec.js';

/** Metrics of one pool, bound to its worker. */
export interface PoolStats {
  readonly open: Gauge;
  readonly idle: Gauge;
  readonly resends: Counter;
}

/** Who wants to know of one pool. */
export interface PoolObserver {
  readonly stats: PoolStats | undefined;
  /** Called when the last connection has gone and nothing waits for one; there may be others afterwards. */
  onUnused(): void;
}

/** A worker's `Keep-Alive: timeout` is cut by up to this, ms: the request needs time to get there. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/**
 * The HTTP/1.1 connections to one origin. An exchange takes the connection that was used last, or a new one, or waits in
 * order of arrival; the wait is bounded in number and in time (`connectMs`).
 */
export class ConnectionPool implements ConnectionOwner {
  readonly #target: ConnectionTarget;
  readonly #clock: Clock;
  readonly #observer: PoolObserver;
  readonly #stats: PoolStats | undefined;
  #settings: PoolSettings;
  #closed = false;
  #open = 0;
  /** Unused connections, least recently used first. */
  readonly #idle: Http1Connection[] = [];
  readonly #queue: WaitingQueue;
  readonly #onSweep = (): void => this.#sweep();
  #sweepTimer: Timer | undefined = undefined;
  #sweepAtMs = 0;

  constructor(target: ConnectionTarget, settings: PoolSettings, observer: PoolObserver) {
    this.#target = target;
    this.#clock = target.clock;
    this.#settings = settings;
    this.#observer = observer;
    this.#stats = observer.stats;
    this.#queue = new WaitingQueue(target.clock);
  }

  /** Connections that exist, those being opened included. */
  get open(): number {
    return this.#open;
  }

  /** Connections that wait for an exchange. */
  get idle(): number {
    return this.#idle.length;
  }

  /** Exchanges that wait for a connection. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** For what begins from now on. */
  configure(settings: PoolSettings): void {
    this.#settings = settings;
  }

  /** Sends the exchange or lets it wait. No callback runs before this returns. */
  dispatch(exchange: Http1Exchange): void {
    if (this.#closed) {
      refuse(exchange, poolClosedError());
      return;
    }
    const connection = this.#takeIdle();
    if (connection !== undefined) connection.start(exchange);
    else if (this.#open < this.#settings.maxConnections) this.#startNew(exchange);
    else if (this.#queue.size < this.#settings.maxWaiting) this.#queue.add(exchange);
    else refuse(exchange, poolExhaustedError('pool_queue_full'));
  }

  /** Closes unused connections now, fails what waits, lets exchanges under way end. */
  close(): void {
    this.#closed = true;
    this.#sweepTimer?.cancel();
    this.#sweepTimer = undefined;
    for (const connection of this.#idle.splice(0)) {
      this.#stats?.idle.dec();
      this.#closeIdle(connection);
    }
    for (let next = this.#queue.take(); next !== undefined; next = this.#queue.take()) next.fail(poolClosedError());
  }

  /** From a connection. */
  onConnectionReusable(connection: Http1Connection, keepAliveHintMs: number): void {
    const next = this.#queue.take();
    if (next !== undefined) {
      connection.start(next);
      return;
    }
    const idleMs = this.#idleLimitMs(keepAliveHintMs);
    if (this.#closed || idleMs <= 0) {
      this.#closeIdle(connection);
      this.#tellUnused();
      return;
    }
    connection.idleUntilMs = this.#clock.monotonicMs() + idleMs;
    this.#idle.push(connection);
    this.#stats?.idle.inc();
    if (this.#sweepTimer === undefined || connection.idleUntilMs < this.#sweepAtMs) {
      this.#scheduleSweep(connection.idleUntilMs, idleMs);
    }
  }

  /** From a connection. */
  onConnectionClosed(connection: Http1Connection, stale: Http1Exchange | undefined): void {
    this.#open -= 1;
    this.#stats?.open.dec();
    const index = this.#idle.indexOf(connection);
    if (index >= 0) {
      this.#idle.splice(index, 1);
      this.#stats?.idle.dec();
    }
    if (stale !== undefined) {
      this.#stats?.resends.inc();
      this.#startNew(stale);
    } else {
      this.#startWaiting();
      this.#tellUnused();
    }
  }

  #tellUnused(): void {
    if (this.#open === 0 && this.#queue.size === 0) this.#observer.onUnused();
  }

  #startWaiting(): void {
    if (this.#open >= this.#settings.maxConnections) return;
    const next = this.#queue.take();
    if (next !== undefined) this.#startNew(next);
  }

  #startNew(exchange: Http1Exchange): void {
    this.#open += 1;
    this.#stats?.open.inc();
    new Http1Connection(this.#target, this).start(exchange);
  }

  /** The most recently used one, so that surplus ones grow old. The sweep may be late: expired ones are passed over. */
  #takeIdle(): Http1Connection | undefined {
    if (this.#idle.length === 0) return undefined;
    const nowMs = this.#clock.monotonicMs();
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      this.#stats?.idle.dec();
      if (connection.idleUntilMs > nowMs) return connection;
      this.#closeIdle(connection);
    }
    return undefined;
  }

  #closeIdle(connection: Http1Connection): void {
    this.#open -= 1;
    this.#stats?.open.dec();
    connection.close();
  }

  #idleLimitMs(keepAliveHintMs: number): number {
    const limitMs = this.#settings.idleMs;
    if (keepAliveHintMs === 0) return limitMs;
    return Math.min(limitMs, keepAliveHintMs - Math.min(KEEP_ALIVE_MARGIN_MS, keepAliveHintMs / 2));
  }

  #scheduleSweep(atMs: number, delayMs: number): void {
    this.#sweepTimer?.cancel();
    this.#sweepAtMs = atMs;
    this.#sweepTimer = this.#clock.setCoarseTimer(delayMs, this.#onSweep);
  }

  #sweep(): void {
    this.#sweepTimer = undefined;
    const nowMs = this.#clock.monotonicMs();
    const idle = this.#idle;
    let kept = 0;
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const connection of idle) {
      if (connection.idleUntilMs <= nowMs) {
        this.#stats?.idle.dec();
        this.#closeIdle(connection);
        continue;
      }
      nextAtMs = Math.min(nextAtMs, connection.idleUntilMs);
      idle[kept] = connection;
      kept += 1;
    }
    idle.length = kept;
    if (kept > 0) this.#scheduleSweep(nextAtMs, nextAtMs - nowMs);
    this.#tellUnused();
  }
}

/** Exchanges without a connection, first come first served. Each fails by itself after its `connectMs`. */
class WaitingQueue implements ExchangeCarrier {
  readonly #clock: Clock;
  readonly #timers = new Map<Http1Exchange, Timer | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#timers.size;
  }

  add(exchange: Http1Exchange): void {
    const { connectMs } = exchange.request.timeouts;
    const onTimeout = (): void => {
      this.#timers.delete(exchange);
      exchange.fail(poolExhaustedError('pool_timeout'));
    };
    exchange.carrier = this;
    this.#timers.set(exchange, connectMs > 0 ? this.#clock.setCoarseTimer(connectMs, onTimeout) : undefined);
  }

  take(): Http1Exchange | undefined {
    for (const exchange of this.#timers.keys()) {
      this.abandon(exchange);
      return exchange;
    }
    return undefined;
  }

  abandon(exchange: Http1Exchange): void {
    this.#timers.get(exchange)?.cancel();
    this.#timers.delete(exchange);
  }

  /** There is nothing to read yet; the connection looks at the exchange when it gets it. */
  pauseReading(): void {}

  resumeReading(): void {}
}

/** Fails it once whoever is sending it has got it. */
function refuse(exchange: Http1Exchange, error: GatewayError): void {
  queueMicrotask(() => exchange.fail(error));
}
