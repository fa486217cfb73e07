import { type ErrorCode, GatewayError, type GatewayErrorOptions } from '../api/errors.js';
import {
  FilterHeadersStatus,
  FilterTrailersStatus,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../api/filter.js';
import { type RequestHeaders, ResponseHeaders } from '../api/headers.js';
import type { Delta, InferenceRequest } from '../api/inference.js';

/** The end of a chain for one run, in the test's hands: keeps what came down, and answers when told. */
export class ScriptedTerminal implements StreamFilter {
  readonly callbacks: StreamFilterCallbacks;
  headers: RequestHeaders | undefined = undefined;
  request: InferenceRequest | undefined = undefined;
  destroyed = false;
  /** Pauses less resumes of the response. */
  paused = 0;

  constructor(callbacks: StreamFilterCallbacks) {
    this.callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.headers = headers;
    this.callbacks.addDownstreamWatermarkCallbacks({
      onAboveWriteBufferHighWatermark: () => {
        this.paused += 1;
      },
      onBelowWriteBufferLowWatermark: () => {
        this.paused -= 1;
      },
    });
    if (endStream) this.onRequest();
    return FilterHeadersStatus.StopIteration;
  }

  decodeRequest(request: InferenceRequest): FilterTrailersStatus {
    this.request = request;
    this.onRequest();
    return FilterTrailersStatus.StopIteration;
  }

  onDestroy(): void {
    this.destroyed = true;
  }

  /** The request is here, whole. Default: nothing happens until the test says so. */
  onRequest(): void {}

  head(status: number, flat: string[] = [], endStream = false): void {
    this.callbacks.encodeHeaders(new ResponseHeaders(status, flat), endStream);
  }

  data(text: string, endStream = false): void {
    this.callbacks.encodeData(Buffer.from(text), endStream);
  }

  /** The last one ends the answer if it is a `finish`. */
  deltas(...deltas: Delta[]): void {
    for (const delta of deltas) this.callbacks.encodeDelta(delta, delta.kind === 'finish');
  }

  answer(status: number, body: string, flat: string[] = []): void {
    this.head(status, flat);
    this.data(body, true);
  }

  fail(code: ErrorCode, options: GatewayErrorOptions = {}): void {
    this.callbacks.sendLocalReply(new GatewayError(code, code, options));
  }
}
