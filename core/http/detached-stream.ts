import type { GatewayError } from '../api/errors.js';
import type { BodyData, DetachedSink } from '../api/filter.js';
import type { HeaderMap, ResponseHeaders } from '../api/headers.js';
import type { Delta } from '../api/inference.js';

/** The outside of a detached run: it has no socket, only the sink of the filter that opened it. */
export class DetachedStream implements DetachedSink {
  readonly #sink: DetachedSink;

  constructor(sink: DetachedSink) {
    this.#sink = sink;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#sink.onHeaders(headers, endStream);
  }

  onData(data: BodyData, endStream: boolean): void {
    this.#sink.onData(data, endStream);
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

  onRunEnd(): void {
    this.#sink.onRunEnd();
  }

  /** Its request is whole: nothing is read. */
  readDisable(): void {}
}
