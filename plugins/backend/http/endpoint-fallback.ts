import {
  type BackendSink,
  type Delta,
  GatewayError,
  type HeaderMap,
  type ResponseHeaders,
  type UpstreamExchange,
} from '../../../core/api/index.js';

/** What a server without the endpoint answers: not found, not this method, not built. */
const MISSING: ReadonlySet<number> = new Set([404, 405, 501]);

/**
 * One call whose endpoint the worker may not have: begins with `first`, and where the head of its answer says that there
 * is no such endpoint, goes on with `second` as if nothing had been. Nothing has gone up until then; after a head has gone
 * up nothing is tried again.
 */
export class EndpointFallback implements BackendSink, UpstreamExchange {
  readonly #sink: BackendSink;
  readonly #second: (sink: BackendSink) => UpstreamExchange;
  readonly #onMissing: () => void;
  #exchange: UpstreamExchange | undefined = undefined;
  #isSecond = false;
  #isPaused = false;
  #isOver = false;

  /** `second` may throw GatewayError. `onMissing`: the second way got an answer, so the endpoint is what was missing. */
  constructor(sink: BackendSink, second: (sink: BackendSink) => UpstreamExchange, onMissing: () => void) {
    this.#sink = sink;
    this.#second = second;
    this.#onMissing = onMissing;
  }

  start(first: (sink: BackendSink) => UpstreamExchange): this {
    const exchange = first(this);
    // The answer may have come, and the second way begun, before `first` returned.
    if (!this.#isSecond) this.#exchange = exchange;
    else exchange.abort();
    return this;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (!this.#isSecond && MISSING.has(headers.status)) {
      this.#goOn();
      return;
    }
    if (this.#isSecond && headers.status === 200) this.#onMissing();
    this.#sink.onHeaders(headers, endStream);
  }

  onData(bytes: Buffer, endStream: boolean, framed: Buffer | undefined): void {
    this.#sink.onData(bytes, endStream, framed);
  }

  onDelta(delta: Delta, endStream: boolean): void {
    this.#sink.onDelta(delta, endStream);
  }

  onTrailers(trailers: HeaderMap): void {
    this.#sink.onTrailers(trailers);
  }

  onError(error: GatewayError): void {
    this.#sink.onError(error);
  }

  pause(): void {
    this.#isPaused = true;
    this.#exchange?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#exchange?.resume();
  }

  abort(): void {
    this.#isOver = true;
    this.#exchange?.abort();
  }

  #goOn(): void {
    this.#isSecond = true;
    this.#exchange?.abort();
    this.#exchange = undefined;
    let exchange: UpstreamExchange;
    try {
      exchange = this.#second(this);
    } catch (error) {
      this.#sink.onError(GatewayError.from(error));
      return;
    }
    this.#exchange = exchange;
    if (this.#isOver) exchange.abort();
    else if (this.#isPaused) exchange.pause();
  }
}
