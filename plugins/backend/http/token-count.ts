import {
  type BackendSink,
  GatewayError,
  type HeaderMap,
  isJsonObject,
  type JsonObject,
  parseJson,
  ResponseHeaders,
  type UpstreamExchange,
  type UpstreamHandler,
} from '../../../core/api/index.js';

import { COUNT_TOKENS, missingApi } from '../missing-api.js';

/** Of an answer, bytes: `/tokenize` lists the id of each token. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Starts one of the two calls. */
type Send = (handler: UpstreamHandler) => UpstreamExchange;

/**
 * Counts the tokens of a request: asks the engine for exactly that, and where it has no such endpoint lets it tokenise the
 * conversation. The first kind of answer passes as it is; the second is a count of the prompt, as deltas.
 */
export class TokenCount implements UpstreamExchange {
  readonly #sink: BackendSink;
  readonly #sendTokenize: Send;
  readonly #onMissing: () => void;
  #current: UpstreamExchange | undefined = undefined;
  #isAborted = false;

  /** `onMissing` is called when the engine turns out to have no endpoint that counts. */
  constructor(sink: BackendSink, sendTokenize: Send, onMissing: () => void) {
    this.#sink = sink;
    this.#sendTokenize = sendTokenize;
    this.#onMissing = onMissing;
  }

  ask(sendCount: Send): this {
    this.#current = sendCount(new CollectedAnswer((headers, body) => this.#onCount(headers, body), this.#sink));
    return this;
  }

  tokenize(): this {
    const answer = new CollectedAnswer((headers, body) => this.#onTokens(headers, body), this.#sink);
    const exchange = this.#sendTokenize(answer);
    // Ended, or given up, before `send` returned.
    if (this.#isAborted) exchange.abort();
    else this.#current = exchange;
    return this;
  }

  /** Answers are short, or read whole: there is nothing to slow down. */
  pause(): void {}
  resume(): void {}

  abort(): void {
    this.#isAborted = true;
    this.#current?.abort();
  }

  #onCount(headers: ResponseHeaders, body: Buffer): void {
    if (isMissingEndpoint(headers.status, body)) {
      this.#onMissing();
      this.#tokenizeInstead();
    } else this.#pass(headers, body);
  }

  /** A conversation that cannot be read is the client's fault, found out only now. */
  #tokenizeInstead(): void {
    try {
      this.tokenize();
    } catch (error) {
      if (!GatewayError.is(error)) throw error;
      this.#sink.onError(error);
    }
  }

  #onTokens(headers: ResponseHeaders, body: Buffer): void {
    if (isMissingEndpoint(headers.status, body)) {
      this.#sink.onError(missingApi(COUNT_TOKENS));
      return;
    }
    if (headers.status !== 200) {
      this.#pass(headers, body);
      return;
    }
    const count = readCount(body);
    if (count === undefined) {
      const message = 'The worker did not say how many tokens there are';
      this.#sink.onError(new GatewayError('upstream_protocol_error', message, { details: 'tokenize_without_count' }));
      return;
    }
    this.#sink.onHeaders(new ResponseHeaders(200, [], 'deltas'), false);
    this.#sink.onDelta({ kind: 'usage', usage: { promptTokens: count } }, false);
    this.#sink.onDelta({ kind: 'finish', choice: 0, reason: 'stop' }, true);
  }

  #pass(headers: ResponseHeaders, body: Buffer): void {
    headers.set('content-length', String(body.length));
    this.#sink.onHeaders(headers, body.length === 0);
    if (body.length > 0 && !this.#isAborted) this.#sink.onData(body, true, undefined);
  }
}

/**
 * Whether a status says that the path does not exist; a model that does not is a 404 as well, but with an error of the
 * engine's own in it, where a path has only its framework's `detail`.
 */
function isMissingEndpoint(status: number, body: Buffer): boolean {
  if (status === 405 || status === 501) return true;
  if (status !== 404) return false;
  const answer = parse(body);
  return answer === undefined || (answer.error === undefined && answer.message === undefined);
}

function readCount(body: Buffer): number | undefined {
  const answer = parse(body);
  const count = answer?.count ?? (Array.isArray(answer?.tokens) ? answer.tokens.length : undefined);
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : undefined;
}

function parse(body: Buffer): JsonObject | undefined {
  const value = parseJson(body.toString('utf8'));
  return isJsonObject(value) ? value : undefined;
}

/** Reads an answer to its end before anything is made of it. Errors go on up. */
class CollectedAnswer implements UpstreamHandler {
  readonly #onAnswer: (headers: ResponseHeaders, body: Buffer) => void;
  readonly #sink: BackendSink;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #headers: ResponseHeaders | undefined = undefined;

  constructor(onAnswer: (headers: ResponseHeaders, body: Buffer) => void, sink: BackendSink) {
    this.#onAnswer = onAnswer;
    this.#sink = sink;
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers;
    if (endStream) this.#end();
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#bytes += bytes.length;
    // What is beyond is not kept: its end is missing, so that it is no JSON.
    if (this.#bytes <= MAX_ANSWER_BYTES) this.#chunks.push(bytes);
    if (endStream) this.#end();
  }

  onTrailers(_trailers: HeaderMap): void {
    this.#end();
  }

  onError(error: GatewayError): void {
    this.#sink.onError(error);
  }

  #end(): void {
    this.#onAnswer(this.#headers as ResponseHeaders, Buffer.concat(this.#chunks));
  }
}
