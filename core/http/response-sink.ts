import type { Clock } from '../api/clock.js';
import { BugError, type GatewayError } from '../api/errors.js';
import type { BodyData } from '../api/filter.js';
import type { HeaderMap, ResponseHeaders } from '../api/headers.js';
import type { ServerStream, StreamResetReason } from '../api/http-server.js';
import type { StreamInfo } from '../api/stream-info.js';
import { isEventStream } from './encoder-path.js';
import type { StreamSink } from './filter-manager.js';
import { renderErrorEvent, renderLocalReply } from './local-reply.js';
import { SseAlignment } from './sse-alignment.js';

const EMPTY = Buffer.alloc(0);

/**
 * The response half of one stream: writes what leaves the chain to the codec, lets only whole events out, keeps the
 * facts of the response, and decides how a failure after the first byte is told.
 */
export class ResponseSink implements StreamSink {
  readonly #stream: ServerStream;
  readonly #info: StreamInfo;
  readonly #clock: Clock;
  readonly #owner: { release(): void };
  #headSent = false;
  #closed = false;
  /** Set for event streams without a declared length: only there can an error follow in band. */
  #alignment: SseAlignment | undefined = undefined;

  /** `owner` is released when the run is over. */
  constructor(stream: ServerStream, info: StreamInfo, clock: Clock, owner: { release(): void }) {
    this.#stream = stream;
    this.#info = info;
    this.#clock = clock;
    this.#owner = owner;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#closed) return;
    if (headers.kind === 'deltas') throw new BugError('nothing in the chain rendered the deltas of this response');
    if (!endStream && isEventStream(headers) && !headers.has('content-length')) this.#alignment = new SseAlignment();
    this.#sendHead(headers, endStream);
    if (endStream) this.#complete();
  }

  #sendHead(headers: ResponseHeaders, endStream: boolean): void {
    this.#headSent = true;
    this.#info.status = headers.status;
    if (endStream) this.#info.firstByteMs = this.#clock.monotonicMs();
    this.#stream.encodeHeaders(headers, endStream);
  }

  onData(data: BodyData, endStream: boolean): void {
    if (this.#closed) return;
    const alignment = this.#alignment;
    if (alignment === undefined || (!endStream && alignment.passes(data.bytes))) {
      this.#write(data.bytes, endStream, data.framed);
      return;
    }
    const whole = data.bytes.length === 0 ? undefined : alignment.push(data.bytes);
    if (!endStream) {
      if (whole !== undefined) this.#write(whole, false, undefined);
      return;
    }
    const rest = alignment.flush();
    if (whole !== undefined && rest !== undefined) this.#write(Buffer.concat([whole, rest]), true, undefined);
    else this.#write(whole ?? rest ?? EMPTY, true, whole === data.bytes ? data.framed : undefined);
  }

  #write(bytes: Buffer, endStream: boolean, framed: Buffer | undefined): void {
    if (this.#info.responseBytes === 0) this.#info.firstByteMs = this.#clock.monotonicMs();
    this.#info.responseBytes += bytes.length;
    this.#stream.encodeData(bytes, endStream, framed);
    if (endStream) this.#complete();
  }

  onDelta(): void {
    throw new BugError('nothing in the chain rendered the deltas of this response');
  }

  onTrailers(trailers: HeaderMap): void {
    if (this.#closed) return;
    const rest = this.#alignment?.flush();
    if (rest !== undefined) this.#write(rest, false, undefined);
    this.#stream.encodeTrailers(trailers);
    this.#complete();
  }

  /** A response has entered the chain and cannot end well. */
  onError(error: GatewayError): void {
    if (this.#closed) return;
    this.#info.responseDetails = error.details;
    if (!this.#headSent) {
      // Its head never got out: the chain is in an unknown state, so this answer goes around it.
      const { headers, body } = renderLocalReply(error, this.#info.errorDialect, this.#info.requestId);
      if (this.#info.requestId !== '') headers.append('x-request-id', this.#info.requestId);
      if (this.#info.errorDialect === 'anthropic') headers.append('request-id', this.#info.requestId);
      this.#sendHead(headers, false);
      this.#info.responseBytes += body.length;
      this.#info.firstByteMs = this.#clock.monotonicMs();
      this.#stream.encodeData(body, true);
    } else if (this.#alignment !== undefined) {
      const event = renderErrorEvent(error, this.#info.errorDialect, this.#info.requestId);
      this.#info.responseBytes += event.length;
      this.#stream.encodeData(event, true);
    } else {
      this.#stream.reset();
    }
    this.#close();
  }

  readDisable(disable: boolean): void {
    if (!this.#closed) this.#stream.readDisable(disable);
  }

  /** True when that ends the stream; false when it was over. */
  onClientReset(reason: StreamResetReason): boolean {
    if (this.#closed) return false;
    this.#info.responseDetails = reason;
    if (!this.#headSent) this.#info.status = 499;
    this.#close();
    return true;
  }

  onRunEnd(): void {
    if (!this.#closed) {
      // The run ended and gave no answer: a filter let go of the stream. Never leave a client waiting.
      this.#info.responseDetails = 'run_ended_without_answer';
      this.#stream.reset();
      this.#close();
    }
    this.#owner.release();
  }

  #complete(): void {
    this.#info.complete = true;
    if (this.#info.responseDetails === '') this.#info.responseDetails = 'complete';
    this.#close();
  }

  #close(): void {
    this.#closed = true;
    this.#info.endedMs = this.#clock.monotonicMs();
  }
}
