import {
  type BackendSink,
  type Delta,
  GatewayError,
  type HeaderMap,
  isJsonObject,
  type JsonObject,
  parseJson,
  ResponseHeaders,
  type UpstreamHandler,
} from '../../../core/api/index.js';
import { SseSplitter } from '../../../core/inference/sse-codec.js';
import type { AnswerDecoder, EncodedRequest, WorkerDialect } from './worker-dialect.js';

/** A whole answer that was not streamed, bytes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Of an error's body; the rest is not read. */
const MAX_ERROR_BYTES = 1024 * 1024;
/** One event of a stream, bytes. */
const MAX_EVENT_BYTES = 10 * 1024 * 1024;

const DROPPED_PARAMS = 'x-smg-dropped-params';

/** How the body that is being received is read. */
const Mode = { Head: 0, Events: 1, Answer: 2, Error: 3, Over: 4 } as const;

/**
 * Reads one worker's answer through the decoder of its dialect and hands the deltas up. The head goes up with the first
 * delta that says something, so that a stream whose first event is an error can still be retried; the last delta goes up
 * with the end of the worker's answer, and only if that was complete.
 */
export class TranslatedExchange implements UpstreamHandler {
  readonly #dialect: Pick<WorkerDialect, 'readError' | 'keepHeader'>;
  readonly #decoder: AnswerDecoder;
  readonly #dropped: readonly string[];
  readonly #sink: BackendSink;
  readonly #splitter = new SseSplitter(MAX_EVENT_BYTES);
  #mode: number = Mode.Head;
  #headers: ResponseHeaders | undefined = undefined;
  #headSent = false;
  /** Deltas that wait for the head, and then the one that may be the last. */
  #waiting: Delta[] = [];
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** The decoder has seen the answer's own end. */
  #complete = false;

  /** `request`: what is answered. */
  constructor(
    dialect: Pick<WorkerDialect, 'readError' | 'keepHeader'>,
    request: Pick<EncodedRequest, 'createDecoder' | 'dropped'>,
    sink: BackendSink,
  ) {
    this.#dialect = dialect;
    this.#decoder = request.createDecoder();
    this.#dropped = request.dropped;
    this.#sink = sink;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers;
    if (headers.status < 200 || headers.status > 299) this.#mode = Mode.Error;
    else if (headers.get('content-type')?.startsWith('text/event-stream') === true) this.#mode = Mode.Events;
    else this.#mode = Mode.Answer;
    if (endStream) this.#finish();
  }

  onData(bytes: Buffer, endStream: boolean): void {
    if (this.#mode === Mode.Events) this.#guard(() => this.#splitter.push(bytes, this.#onEvent));
    else if (this.#mode !== Mode.Over) this.#keep(bytes);
    if (endStream) this.#finish();
  }

  onTrailers(_trailers: HeaderMap): void {
    this.#finish();
  }

  onError(error: GatewayError): void {
    // What broke after the answer's own end does not make it less complete.
    if (this.#mode === Mode.Events && this.#complete) this.#end();
    else this.#fail(error);
  }

  readonly #onEvent = ({ event, data }: { event: string | undefined; data: string | undefined }): void => {
    if (data === undefined || this.#complete || this.#mode === Mode.Over) return;
    if (this.#decoder.onEvent(event, data, this.#emit)) this.#complete = true;
  };

  readonly #emit = (delta: Delta): void => {
    if (this.#mode === Mode.Over) return;
    if (!this.#headSent && !isContent(delta)) {
      if (delta.kind !== 'keep_alive') this.#waiting.push(delta);
      if (delta.kind === 'usage') this.#sink.onUsage?.(delta.usage);
      return;
    }
    if (!this.#headSent) {
      this.#headSent = true;
      this.#sink.onHeaders(this.#answerHeaders(), false);
    }
    // One is kept back, for it may be the last.
    const ready = this.#waiting;
    this.#waiting = [delta];
    for (const earlier of ready) if (!this.#over) this.#sink.onDelta(earlier, false);
    if (!this.#over && !mayBeLast(delta)) {
      this.#waiting = [];
      this.#sink.onDelta(delta, false);
    }
  };

  get #over(): boolean {
    return this.#mode === Mode.Over;
  }

  #keep(bytes: Buffer): void {
    const limit = this.#mode === Mode.Error ? MAX_ERROR_BYTES : MAX_ANSWER_BYTES;
    if (this.#mode === Mode.Error && this.#bytes >= limit) return;
    this.#bytes += bytes.length;
    if (this.#mode === Mode.Answer && this.#bytes > limit) {
      const message = `The worker's answer is larger than ${limit} bytes`;
      this.#fail(new GatewayError('upstream_response_too_large', message, { details: 'answer_too_large' }));
      return;
    }
    this.#chunks.push(bytes);
  }

  /** The body has ended. */
  #finish(): void {
    if (this.#mode === Mode.Events) this.#guard(() => this.#finishEvents());
    else if (this.#mode === Mode.Answer) this.#guard(() => this.#finishAnswer());
    else if (this.#mode === Mode.Error) this.#guard(() => this.#finishError());
  }

  #finishEvents(): void {
    this.#splitter.finish(this.#onEvent);
    if (!this.#over && !this.#complete) this.#complete = this.#decoder.onEnd(this.#emit);
    if (this.#over) return;
    if (this.#complete) this.#end();
    else {
      const message = 'The worker closed the stream before it was complete';
      this.#fail(new GatewayError('upstream_reset', message, { details: 'stream_truncated' }));
    }
  }

  #finishAnswer(): void {
    this.#decoder.onAnswer(parseAnswer(Buffer.concat(this.#chunks).toString('utf8')), this.#emit);
    this.#end();
  }

  #finishError(): void {
    const body = Buffer.concat(this.#chunks).toString('utf8', 0, MAX_ERROR_BYTES);
    const headers = this.#headers as ResponseHeaders;
    this.#fail(this.#dialect.readError(headers.status, headers, body));
  }

  #end(): void {
    if (this.#over) return;
    if (!this.#headSent) {
      const message = 'The worker answered with nothing';
      this.#fail(new GatewayError('upstream_protocol_error', message, { details: 'empty_upstream_response' }));
      return;
    }
    const last = this.#waiting.at(-1) ?? { kind: 'usage', usage: {} };
    this.#mode = Mode.Over;
    for (const delta of this.#waiting.slice(0, -1)) this.#sink.onDelta(delta, false);
    this.#sink.onDelta(last, true);
  }

  #fail(error: GatewayError): void {
    if (this.#over) return;
    this.#mode = Mode.Over;
    this.#sink.onError(error);
  }

  /** A GatewayError that the decoder throws ends the answer; anything else is a bug and goes on up. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!GatewayError.is(error)) throw error;
      this.#fail(error);
    }
  }

  #answerHeaders(): ResponseHeaders {
    const kept: string[] = [];
    this.#headers?.forEach((name, value) => {
      const field = this.#dialect.keepHeader?.(name, value);
      if (field !== undefined) kept.push(...field);
    });
    if (this.#dropped.length > 0) kept.push(DROPPED_PARAMS, this.#dropped.join(','));
    return new ResponseHeaders(200, kept, 'deltas');
  }
}

/** Whether a delta is worth a head: from then on the answer cannot be taken back. */
function isContent({ kind }: Delta): boolean {
  return kind !== 'start' && kind !== 'keep_alive' && kind !== 'usage';
}

/** The last delta of an answer is its finish or its usage; all else can go up at once. */
function mayBeLast({ kind }: Delta): boolean {
  return kind === 'finish' || kind === 'usage';
}

function parseAnswer(text: string): JsonObject {
  const value = parseJson(text);
  if (isJsonObject(value)) return value;
  throw new GatewayError('upstream_protocol_error', 'The worker answered with something that is no JSON object', {
    details: 'answer_not_json',
  });
}
