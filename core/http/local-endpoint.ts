import type { ErrorDialect } from '../api/client-api.js';
import { GatewayError } from '../api/errors.js';
import {
  type BodyData,
  FilterDataStatus,
  FilterHeadersStatus,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../api/filter.js';
import { type RequestHeaders, ResponseHeaders } from '../api/headers.js';
import type { Endpoint } from './endpoint-table.js';
import type { ChainEntry } from './filter-chain.js';

/** An answer of the gateway itself. Objects become JSON, strings go as they are. */
export interface LocalResponse {
  readonly status: number;
  readonly body: object | string;
  /** Default `application/json` for objects, `text/plain; charset=utf-8` for strings. */
  readonly contentType?: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler may look at. */
export interface LocalRequest {
  readonly headers: RequestHeaders;
  /** Path without query, percent-decoded where that is possible. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Whose forms the client expects. */
  readonly dialect: ErrorDialect;
  /** Empty for methods without one. At most 1 MiB. */
  readonly body: Buffer;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
}

/** An endpoint that the gateway answers itself: information and administration. */
export interface LocalEndpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Exact, or ending in `/*` for everything below. */
  readonly path: string;
  /** Who may call it: `public` anybody, `data` a data-plane key, `control` an administrator. */
  readonly accessClass: 'public' | 'data' | 'control';
  /** May throw or reject with GatewayError. */
  handle(request: LocalRequest): LocalResponse | Promise<LocalResponse>;
}

/** Bytes of a request body that a local endpoint reads; more is a 413. */
export const LOCAL_BODY_LIMIT_BYTES = 1024 * 1024;

const REFUSED_MESSAGE =
  'Administration endpoints are closed on this listener, which others can reach, because nothing protects them: set ' +
  'auth.admin.keys (or auth.api_key), or give them a listener of their own (admin.listener: { host: 127.0.0.1 })';

/** Endpoint of each stream on its way to the terminal filter, without a field in StreamInfo that plugins could see. */
const endpoints = new WeakMap<object, Endpoint>();

/** Remembers what the path of this stream led to. */
export function setEndpoint(streamInfo: object, endpoint: Endpoint): void {
  endpoints.set(streamInfo, endpoint);
}

/** Ends the chain of everything that is not inference: local endpoints, wrong methods, unknown paths. */
export const LOCAL_TERMINAL: ChainEntry = {
  name: 'local_endpoint',
  nesting: false,
  factory: (callbacks) => new LocalEndpointFilter(callbacks),
};

class LocalEndpointFilter implements StreamFilter {
  readonly #callbacks: StreamFilterCallbacks;
  #headers: RequestHeaders | undefined = undefined;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;

  constructor(callbacks: StreamFilterCallbacks) {
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.#headers = headers;
    const endpoint = endpoints.get(this.#callbacks.streamInfo);
    if (endpoint?.kind === 'wrong_method') {
      const error = new GatewayError(
        'method_not_allowed',
        `Method ${headers.method} is not allowed for ${endpoint.path}`,
      );
      this.#callbacks.sendLocalReply(error, (response) => response.append('allow', endpoint.allow));
    } else if (endpoint?.kind === 'refused') {
      const error = new GatewayError('permission_denied', REFUSED_MESSAGE, { details: 'control_plane_exposed' });
      this.#callbacks.sendLocalReply(error);
    } else if (endpoint?.kind !== 'local') {
      const shown = headers.path.split('?', 1)[0]?.slice(0, 200);
      this.#callbacks.sendLocalReply(new GatewayError('unknown_url', `Invalid URL (${headers.method} ${shown})`));
    } else if (endStream) {
      this.#answer();
    }
    return FilterHeadersStatus.StopIteration;
  }

  decodeData(data: BodyData, endStream: boolean): FilterDataStatus {
    this.#bodyBytes += data.bytes.length;
    if (this.#bodyBytes > LOCAL_BODY_LIMIT_BYTES) {
      this.#callbacks.sendLocalReply(
        new GatewayError('request_body_too_large', `The request body is larger than ${LOCAL_BODY_LIMIT_BYTES} bytes`),
      );
    } else {
      this.#body.push(Buffer.from(data.bytes));
      if (endStream) this.#answer();
    }
    return FilterDataStatus.StopIterationNoBuffer;
  }

  #answer(): void {
    const headers = this.#headers as RequestHeaders;
    const endpoint = endpoints.get(this.#callbacks.streamInfo);
    if (endpoint?.kind !== 'local') return;
    const [path, query] = splitTarget(headers.path);
    const request: LocalRequest = {
      headers,
      path,
      query,
      dialect: this.#callbacks.streamInfo.errorDialect,
      body: Buffer.concat(this.#body),
      signal: this.#callbacks.signal,
    };
    try {
      const response = endpoint.endpoint.handle(request);
      if (response instanceof Promise)
        response.then(
          (value) => this.#respond(value),
          (error) => this.#fail(error),
        );
      else this.#respond(response);
    } catch (error) {
      this.#fail(error);
    }
  }

  #respond(response: LocalResponse): void {
    if (this.#callbacks.scope.ended) return;
    const text = typeof response.body === 'string' ? response.body : JSON.stringify(response.body);
    const contentType =
      response.contentType ?? (typeof response.body === 'string' ? 'text/plain; charset=utf-8' : 'application/json');
    const body = Buffer.from(text);
    const headers = ['content-type', contentType, 'content-length', String(body.length)];
    for (const [name, value] of Object.entries(response.headers ?? {})) headers.push(name, value);
    this.#callbacks.encodeHeaders(new ResponseHeaders(response.status, headers), false);
    this.#callbacks.encodeData(body, true);
  }

  #fail(error: unknown): void {
    if (!this.#callbacks.scope.ended) this.#callbacks.sendLocalReply(GatewayError.from(error));
  }
}

function splitTarget(target: string): [string, URLSearchParams] {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  try {
    return [decodeURIComponent(path), query];
  } catch {
    return [path, query]; // Not percent-encoded UTF-8: then it names nothing, and the handler says so.
  }
}
