import { GatewayError } from '../api/errors.js';
import { type HeaderMap, RequestHeaders, ResponseHeaders } from '../api/headers.js';
import { providerAuthHeaders } from '../api/provider.js';
import type {
  UpstreamClient,
  UpstreamExchange,
  UpstreamHandler,
  UpstreamRequest,
  UpstreamTls,
} from '../api/upstream.js';
import type { UpstreamTimeouts, Worker } from '../api/worker.js';

/** One control-plane request. */
export interface FetchOptions {
  /** Default GET. */
  readonly method?: 'GET' | 'POST';
  /** JSON. Default none. */
  readonly body?: Buffer;
  /** Lower-case names. `host` and framing are added below. */
  readonly headers?: Readonly<Record<string, string>>;
  /** From the start to the last byte. Default 5 s. */
  readonly timeoutMs?: number;
  /** Longest body that is accepted. Default 1 MiB. */
  readonly maxBytes?: number;
  /** That of the worker which is asked. */
  readonly tls?: UpstreamTls | undefined;
  /** Gives up when aborted; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * What a worker wants to see of whoever asks it anything: its key, the way its provider takes keys, and the certificates of
 * its cluster.
 */
export function accessOf({ apiKey, provider, tls }: AskedWorker): Pick<FetchOptions, 'headers' | 'tls'> {
  return apiKey === undefined ? { tls } : { tls, headers: providerAuthHeaders(provider, apiKey) };
}

type AskedWorker = Pick<Worker, 'apiKey' | 'tls'> & { readonly provider?: string | undefined };

export interface FetchedResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

export interface FetchedJson {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Undefined unless the status is 2xx. */
  readonly value: unknown;
}

/** A client that may keep connections for the control plane apart. */
export type ControlClient = UpstreamClient & {
  sendControl?(request: UpstreamRequest, handler: UpstreamHandler): UpstreamExchange;
};

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_BYTES = 1024 * 1024;

/**
 * Gets a whole answer from a worker. For the control plane (probes, discovery, information
 * endpoints): one promise a call. Rejects with GatewayError, also past `timeoutMs` (`upstream_timeout`) and past
 * `maxBytes` (`upstream_response_too_large`). Any status is an answer.
 */
export function fetchResponse(
  client: ControlClient,
  url: string,
  options: FetchOptions = {},
): Promise<FetchedResponse> {
  return new Promise((resolve, reject) => {
    new Collector(options, resolve, reject).start(client, url);
  });
}

/** Like {@link fetchResponse} for a JSON body; a 2xx without one rejects with `upstream_protocol_error`. */
export async function fetchJson(client: ControlClient, url: string, options: FetchOptions = {}): Promise<FetchedJson> {
  const { status, headers, body } = await fetchResponse(client, url, options);
  if (!isSuccess(status)) return { status, headers, value: undefined };
  try {
    return { status, headers, value: JSON.parse(body.toString('utf8')) };
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The worker did not answer with JSON', {
      cause,
      details: 'invalid_json',
    });
  }
}

/** 2xx. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** Gathers one response; settles its promise once and leaves neither timer nor listener behind. */
class Collector implements UpstreamHandler {
  readonly #options: FetchOptions;
  readonly #resolve: (response: FetchedResponse) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason);
  #bytes = 0;
  #headers: ResponseHeaders = new ResponseHeaders(0);
  #exchange: UpstreamExchange | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  #settled = false;

  constructor(options: FetchOptions, resolve: (response: FetchedResponse) => void, reject: (reason: unknown) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  start(client: ControlClient, url: string): void {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    if (signal?.aborted) {
      this.#fail(signal.reason);
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    const { origin, pathname, search, host, protocol } = new URL(url);
    const scheme = protocol === 'https:' ? 'https' : 'http';
    const { method = 'GET', body } = this.#options;
    const headers = new RequestHeaders(method, pathname + search, host, scheme, ['accept', 'application/json']);
    if (body !== undefined) headers.set('content-type', 'application/json');
    for (const [name, value] of Object.entries(this.#options.headers ?? {})) headers.set(name, value);
    this.#timer = setTimeout(() => this.#fail(timeoutError()), timeoutMs);
    const timeouts: UpstreamTimeouts = {
      connectMs: timeoutMs,
      firstByteMs: timeoutMs,
      idleMs: timeoutMs,
      requestMs: timeoutMs,
    };
    const { tls } = this.#options;
    const request: UpstreamRequest = { url: origin, headers, body, timeouts, tls };
    this.#exchange = client.sendControl?.(request, this) ?? client.send(request, this);
  }

  onHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.#headers = headers;
    if (endStream) this.#finish();
  }

  onData(bytes: Buffer, endStream: boolean): void {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) {
      this.#fail(
        new GatewayError('upstream_response_too_large', 'The worker answered with more than is accepted here', {
          details: 'control_response_too_large',
        }),
      );
      return;
    }
    this.#chunks.push(bytes);
    if (endStream) this.#finish();
  }

  onTrailers(_trailers: HeaderMap): void {
    this.#finish();
  }

  onError(error: GatewayError): void {
    this.#fail(error);
  }

  #finish(): void {
    if (!this.#settle()) return;
    const body = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#headers.status, headers: this.#headers, body });
  }

  #fail(reason: unknown): void {
    if (!this.#settle()) return;
    this.#exchange?.abort();
    this.#reject(reason);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

function timeoutError(): GatewayError {
  return new GatewayError('upstream_timeout', 'The worker did not answer in time', { details: 'control_timeout' });
}
