import {
  BugError,
  FilterHeadersStatus,
  type HeaderMap,
  type RequestHeaders,
  type ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
} from '../../core/api/index.js';
import type { CredentialsSettings } from './config.js';

/** Request headers in which a caller may send a credential of its own. */
const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'x-goog-api-key', 'api-key']);
const ROUTED_WORKER_ID = 'x-smg-routed-worker-id';
/** Response headers that speak for the gateway: a worker's word would be taken for ours. */
const GATEWAY_HEADERS: ReadonlySet<string> = new Set([ROUTED_WORKER_ID, 'alt-svc']);
/** CORS is decided by the filter of that name alone; engines allow everybody by default. */
const CORS_PREFIX = 'access-control-';

/**
 * Sees to it that a worker gets the one credential that is meant for it, and that it cannot speak for the gateway in
 * its answer. One run per attempt, since each worker has its own key.
 */
export class CredentialsFilter implements StreamFilter {
  readonly #settings: CredentialsSettings;
  readonly #callbacks: StreamFilterCallbacks;

  constructor(settings: CredentialsSettings, callbacks: StreamFilterCallbacks) {
    this.#settings = settings;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { worker } = this.#callbacks.run;
    if (worker === undefined) throw new BugError('credentials: no filter above has chosen a worker');
    const key = worker.apiKey;
    if (key !== undefined) {
      removeHeaders(headers, isCredential);
      headers.append('authorization', `Bearer ${key}`);
    } else if (!this.#passesThrough()) {
      removeHeaders(headers, isCredential);
    }
    return FilterHeadersStatus.Continue;
  }

  encodeHeaders(headers: ResponseHeaders): FilterHeadersStatus {
    removeHeaders(headers, isForged);
    const { worker } = this.#callbacks.run;
    if (this.#settings.routed_worker_id && worker !== undefined) headers.append(ROUTED_WORKER_ID, worker.id);
    return FilterHeadersStatus.Continue;
  }

  /** What is left of the caller's credentials by now is its own: `auth` has taken the gateway's keys out. */
  #passesThrough(): boolean {
    switch (this.#settings.pass_through) {
      case 'never':
        return false;
      case 'always':
        return true;
      case 'when_open':
        return this.#callbacks.streamInfo.principal === undefined;
    }
  }
}

function isCredential(name: string): boolean {
  return CREDENTIAL_HEADERS.has(name);
}

function isForged(name: string): boolean {
  return GATEWAY_HEADERS.has(name) || name.startsWith(CORS_PREFIX);
}

/** Removes the fields that `matches` names, in place; writes nothing when there is none. */
function removeHeaders(headers: HeaderMap, matches: (name: string) => boolean): void {
  const flat = headers.flat;
  let to = 0;
  for (let from = 0; from < flat.length; from += 2) {
    const name = flat[from] as string;
    if (matches(name)) continue;
    if (to !== from) {
      flat[to] = name;
      flat[to + 1] = flat[from + 1] as string;
    }
    to += 2;
  }
  while (flat.length > to) flat.pop();
}
