import {
  type BodyData,
  type ClientApi,
  type Delta,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  type InferenceRequest,
  type RequestHeaders,
  type ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import { readInferenceRequest } from '../../core/inference/inference-request.js';
import { TerminatorWatch } from '../../core/inference/stream-terminator.js';
import { BodyCollector } from './body-collector.js';
import type { InferenceFilterConfig } from './config.js';
import { DeltaResponse, notRenderable, truncated } from './delta-response.js';
import { checkRequestHead } from './request-head.js';

/** Of a worker's error body, bytes. */
const MAX_ERROR_BYTES = 1024 * 1024;

/**
 * Turns the body into an InferenceRequest on the way down. On the way up it renders deltas in the client's dialect, and
 * where a worker's bytes pass untouched, sees to it that a stream that was cut does not look complete.
 */
export class InferenceFilter implements StreamFilter {
  readonly #shared: InferenceFilterConfig;
  readonly #api: ClientApi;
  readonly #callbacks: StreamFilterCallbacks;
  #body: BodyCollector | undefined = undefined;
  #headers: RequestHeaders | undefined = undefined;
  #request: InferenceRequest | undefined = undefined;
  #responseHeaders: ResponseHeaders | undefined = undefined;
  #deltas: DeltaResponse | undefined = undefined;
  /** Of a stream of bytes: whether it ends as it should. */
  #terminator: TerminatorWatch | undefined = undefined;
  /** Body of a worker's error, held to be written in the client's dialect. */
  #error: Buffer[] | undefined = undefined;
  #errorBytes = 0;

  constructor(shared: InferenceFilterConfig, api: ClientApi, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#api = api;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#headers = headers;
    const declared = Number(headers.get('content-length') ?? 0);
    const error =
      checkRequestHead(headers, this.#api) ??
      this.#api.completeHead?.(headers) ??
      (declared > this.#shared.maxBodyBytes ? this.#tooLarge() : undefined);
    if (error !== undefined) {
      this.#callbacks.sendLocalReply(error);
      return FilterHeadersStatus.StopIteration;
    }
    this.#body = new BodyCollector(declared, this.#shared.bodies, this.#callbacks.scope);
    if (endStream) this.#readRequest();
    return FilterHeadersStatus.StopIteration;
  }

  decodeData(data: BodyData, endStream: boolean): FilterDataStatus {
    const body = this.#body;
    if (body === undefined) return FilterDataStatus.StopIterationNoBuffer;
    if (body.length + data.bytes.length > this.#shared.maxBodyBytes) {
      this.#body = undefined;
      this.#callbacks.sendLocalReply(this.#tooLarge());
      return FilterDataStatus.StopIterationNoBuffer;
    }
    body.add(data.bytes);
    if (endStream) this.#readRequest();
    return FilterDataStatus.StopIterationNoBuffer;
  }

  decodeTrailers(): FilterTrailersStatus {
    this.#readRequest();
    return FilterTrailersStatus.StopIteration;
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    if (headers.kind === 'deltas') return this.#beginDeltas(headers, endStream);
    if (headers.status >= 400 && this.#isWorkerError(headers)) return this.#beginError(headers, endStream);
    if (headers.status !== 200 || this.#request === undefined || headers.has('content-encoding')) {
      return FilterHeadersStatus.Continue;
    }
    if (!this.#request.stream || headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      return FilterHeadersStatus.Continue;
    }
    this.#terminator = new TerminatorWatch(this.#api.terminator);
    if (!endStream || this.#terminator.seen) return FilterHeadersStatus.Continue;
    this.#callbacks.sendLocalReply(truncated());
    return FilterHeadersStatus.StopIteration;
  }

  encodeData(data: BodyData, endStream: boolean): FilterDataStatus {
    if (this.#error !== undefined) return this.#keepError(data.bytes, endStream);
    const terminator = this.#terminator;
    if (terminator === undefined) return FilterDataStatus.Continue;
    terminator.push(data.bytes);
    if (!endStream || terminator.seen) return FilterDataStatus.Continue;
    // What did come is the client's; then it is told that the rest is missing.
    if (data.bytes.length > 0) this.#callbacks.injectEncodedData(data.bytes, false);
    this.#callbacks.sendLocalReply(truncated());
    return FilterDataStatus.StopIterationNoBuffer;
  }

  encodeTrailers(): FilterTrailersStatus {
    if (this.#error !== undefined) {
      this.#endError();
      return FilterTrailersStatus.StopIteration;
    }
    if (this.#terminator === undefined || this.#terminator.seen) return FilterTrailersStatus.Continue;
    this.#callbacks.sendLocalReply(truncated());
    return FilterTrailersStatus.StopIteration;
  }

  encodeDelta(delta: Delta, endStream: boolean): FilterDataStatus {
    const response = this.#deltas;
    if (response === undefined) return FilterDataStatus.StopIterationNoBuffer;
    let bytes: Buffer | undefined;
    try {
      bytes = response.add(delta);
    } catch (error) {
      if (!GatewayError.is(error)) throw error;
      this.#deltas = undefined;
      this.#callbacks.sendLocalReply(error);
      return FilterDataStatus.StopIterationNoBuffer;
    }
    if (!endStream) {
      if (bytes !== undefined) this.#callbacks.injectEncodedData(bytes, false);
    } else if (response.complete) {
      this.#endDeltas(response, bytes);
    } else {
      if (bytes !== undefined) this.#callbacks.injectEncodedData(bytes, false);
      this.#callbacks.sendLocalReply(truncated());
    }
    return FilterDataStatus.StopIterationNoBuffer;
  }

  onDestroy(): void {
    this.#body = undefined;
    this.#terminator = undefined;
  }

  #readRequest(): void {
    const body = this.#body;
    const headers = this.#headers;
    if (body === undefined || headers === undefined) return;
    this.#body = undefined;
    const contentType = headers.get('content-type') ?? 'application/json';
    const request = readInferenceRequest(this.#api, contentType, body.take(), this.#shared.scanner);
    const error = request instanceof GatewayError ? request : this.#api.checkRequest?.(request);
    if (request instanceof GatewayError || error !== undefined) {
      this.#callbacks.sendLocalReply(error as GatewayError);
      return;
    }
    if (body.pooled) this.#callbacks.scope.own({ release: () => request.forgetReceived() });
    headers.delete('content-length');
    headers.delete('transfer-encoding');
    this.#request = request;
    this.#callbacks.streamInfo.inference = request;
    this.#callbacks.continueWithRequest(request);
  }

  #tooLarge(): GatewayError {
    return new GatewayError(
      'request_body_too_large',
      `The request body is larger than the limit of ${this.#shared.maxBodyBytes} bytes`,
    );
  }

  /** The head waits for the first bytes: until then an error can still have its own status. */
  #beginDeltas(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    const request = this.#request;
    if (request === undefined || this.#api.createRenderer === undefined || endStream) {
      this.#callbacks.sendLocalReply(endStream ? truncated() : notRenderable(this.#api));
      return FilterHeadersStatus.StopIteration;
    }
    const { requestId } = this.#callbacks.streamInfo;
    const prefix = this.#api.requestIdPrefix;
    const renderer = this.#api.createRenderer(request, {
      responseId: requestId.startsWith(prefix) ? requestId : prefix + requestId,
      createdS: Math.floor(this.#shared.clock.nowMs() / 1000),
      model: request.requestedModel ?? request.model ?? '',
    });
    this.#deltas = new DeltaResponse(renderer);
    const rendered = renderer.headers();
    headers.status = rendered.status;
    headers.kind = 'bytes';
    rendered.forEach((name, value) => {
      headers.set(name, value);
    });
    headers.delete('content-length');
    this.#responseHeaders = headers;
    return FilterHeadersStatus.StopIteration;
  }

  /** An answer of a worker, not of a filter below, that may need another form. */
  #isWorkerError(headers: ResponseHeaders): boolean {
    if (this.#api.rewriteError === undefined || this.#request === undefined) return false;
    return !headers.has('x-smg-error-code') && !headers.has('content-encoding');
  }

  #beginError(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    this.#error = [];
    this.#responseHeaders = headers;
    if (endStream) this.#endError();
    return FilterHeadersStatus.StopIteration;
  }

  #keepError(bytes: Buffer, endStream: boolean): FilterDataStatus {
    // What is beyond is cut: nobody reads an error of that size.
    const room = MAX_ERROR_BYTES - this.#errorBytes;
    if (room > 0) this.#error?.push(bytes.subarray(0, room));
    this.#errorBytes += bytes.length;
    if (endStream) this.#endError();
    return FilterDataStatus.StopIterationNoBuffer;
  }

  #endError(): void {
    const headers = this.#responseHeaders as ResponseHeaders;
    const body = Buffer.concat(this.#error ?? []);
    this.#error = undefined;
    const { requestId } = this.#callbacks.streamInfo;
    const rewritten = this.#api.rewriteError?.(headers.status, body.toString('utf8'), requestId);
    if (rewritten !== undefined) headers.set('content-type', 'application/json');
    headers.set('content-length', String((rewritten ?? body).length));
    this.#callbacks.injectEncodedData(rewritten ?? body, true);
  }

  #endDeltas(response: DeltaResponse, bytes: Buffer | undefined): void {
    const end = response.renderer.end();
    const dropped = response.renderer.droppedDeltas ?? 0;
    if (dropped > 0) this.#shared.droppedDeltas.with(this.#api.type).inc(dropped);
    if (this.#request?.stream !== true) this.#responseHeaders?.set('content-length', String(end.length));
    this.#callbacks.injectEncodedData(bytes === undefined ? end : Buffer.concat([bytes, end]), true);
  }
}
