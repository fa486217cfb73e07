import { BugError, type GatewayError } from '../api/errors.js';
import type { UpstreamExchange, UpstreamHandler, UpstreamRequest } from '../api/upstream.js';
import { FRAMING_NONE, formatRequestHead } from '../http1/head-writer.js';

/** Whatever has the exchange at present: a connection, or the queue of a pool. */
export interface ExchangeCarrier {
  pauseReading(): void;
  resumeReading(): void;
  /** The exchange was aborted: forget it and close what cannot be reused. */
  abandon(exchange: Http1Exchange): void;
}

/**
 * One request and its response over HTTP/1.1. It wanders: from the pool's queue to a connection and, when that turns out
 * to be stale, to another. Everything that ends it goes through `finish`.
 */
export class Http1Exchange implements UpstreamExchange {
  readonly request: UpstreamRequest;
  readonly handler: UpstreamHandler;
  /** Written again for a resend. */
  readonly headText: string;
  readonly isHead: boolean;
  carrier: ExchangeCarrier | undefined = undefined;
  done = false;
  #pauses = 0;

  /** Throws BugError for headers that must not be written. */
  constructor(request: UpstreamRequest, handler: UpstreamHandler, authority: string) {
    const { headers, body } = request;
    const mayOmitLength = headers.method === 'GET' || headers.method === 'HEAD';
    const framing = body?.length ?? (mayOmitLength ? FRAMING_NONE : 0);
    this.request = request;
    this.handler = handler;
    this.headText = formatRequestHead(headers, authority, framing, '');
    this.isHead = headers.method === 'HEAD';
  }

  get paused(): boolean {
    return this.#pauses > 0;
  }

  pause(): void {
    if (this.done) return;
    this.#pauses += 1;
    if (this.#pauses === 1) this.carrier?.pauseReading();
  }

  resume(): void {
    if (this.done) return;
    if (this.#pauses === 0) throw new BugError('An upstream exchange was resumed more often than paused');
    this.#pauses -= 1;
    if (this.#pauses === 0) this.carrier?.resumeReading();
  }

  abort(): void {
    const carrier = this.carrier;
    if (!this.finish()) return;
    carrier?.abandon(this);
  }

  /** The response is over, one way or another. True the first time. */
  finish(): boolean {
    if (this.done) return false;
    this.done = true;
    this.carrier = undefined;
    return true;
  }

  fail(error: GatewayError): void {
    if (this.finish()) this.handler.onError(error);
  }
}
