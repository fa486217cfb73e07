import {
  FilterHeadersStatus,
  type RequestHeaders,
  type ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { IdGenerator } from './id-generator.js';

/** Where the id stands on the way to the worker and back to the client. */
const REQUEST_ID = 'x-request-id';
/** Longest id that is taken from a client, characters. */
const MAX_ID_LENGTH = 128;
/** Prefix of ids of requests that no client api takes. */
const DEFAULT_PREFIX = 'req-';

/** What the streams of one generation share. */
export class RequestIdConfig {
  /** Lower case, in order of preference. */
  readonly headers: readonly string[];
  readonly generator: IdGenerator;

  constructor(headers: readonly string[], generator: IdGenerator) {
    this.headers = headers;
    this.generator = generator;
  }
}

/** Gives the stream its id: the client's, when it sent a usable one, else a new one. */
export class RequestIdFilter implements StreamFilter {
  readonly #shared: RequestIdConfig;
  readonly #callbacks: StreamFilterCallbacks;

  constructor(shared: RequestIdConfig, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const id = this.#fromClient(headers) ?? this.#mint();
    this.#callbacks.streamInfo.requestId = id;
    headers.set(REQUEST_ID, id);
    return FilterHeadersStatus.Continue;
  }

  /** Overwrites what a worker may have sent. */
  encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    const { streamInfo } = this.#callbacks;
    if (streamInfo.requestId === '') streamInfo.requestId = this.#mint();
    headers.set(REQUEST_ID, streamInfo.requestId);
    // Where Anthropic's SDKs look for it.
    if (streamInfo.errorDialect === 'anthropic') headers.set('request-id', streamInfo.requestId);
    return FilterHeadersStatus.Continue;
  }

  #fromClient(headers: RequestHeaders): string | undefined {
    for (const name of this.#shared.headers) {
      const value = headers.get(name);
      if (value !== undefined && isUsableId(value)) return value;
    }
    return undefined;
  }

  #mint(): string {
    const prefix = this.#callbacks.streamInfo.api?.requestIdPrefix ?? DEFAULT_PREFIX;
    return prefix + this.#shared.generator.next();
  }
}

/** 1 to 128 visible ASCII characters. */
function isUsableId(value: string): boolean {
  if (value.length === 0 || value.length > MAX_ID_LENGTH) return false;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}
