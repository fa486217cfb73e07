import {
  type BodyData,
  BugError,
  callerCredential,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  GatewayError,
  type HeaderMap,
  isCredential,
  PROVIDER_KEY_PREFIX,
  providerAuthHeaders,
  providerHeaders,
  type RequestHeaders,
  type ResponseHeaders,
  type StreamFilter,
  type StreamFilterCallbacks,
  type Worker,
} from '../../core/api/index.js';
import { redactErrorBody } from '../../core/inference/redact-message.js';
import type { ClearTextWorkers } from './clear-text.js';
import type { CredentialsSettings } from './config.js';

/** Of a provider's error, bytes; what comes after is passed on unread, and no message is that long. */
const MAX_ERROR_BYTES = 256 * 1024;
const ROUTED_WORKER_ID = 'x-smg-routed-worker-id';
/** Response headers that speak for the gateway: a worker's word would be taken for ours. */
const GATEWAY_HEADERS: ReadonlySet<string> = new Set([ROUTED_WORKER_ID, 'alt-svc']);
/** CORS is decided by the filter of that name alone; engines allow everybody by default. */
const CORS_PREFIX = 'access-control-';

/** What the runs of one generation share. */
export interface CredentialsShared extends CredentialsSettings {
  readonly clearText: ClearTextWorkers;
}

/**
 * Sees to it that a worker gets the one credential that is meant for it, and that it cannot speak for the gateway in
 * its answer. One run per attempt, since each worker has its own key.
 */
export class CredentialsFilter implements StreamFilter {
  readonly #shared: CredentialsShared;
  readonly #callbacks: StreamFilterCallbacks;
  /** A provider's error, which may repeat a key; undefined for every other answer. */
  #error: Buffer[] | undefined = undefined;
  #errorBytes = 0;

  constructor(shared: CredentialsShared, callbacks: StreamFilterCallbacks) {
    this.#shared = shared;
    this.#callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { worker } = this.#callbacks.run;
    if (worker === undefined) throw new BugError('credentials: no filter above has chosen a worker');
    if (worker.runtime === 'external') return this.#decodeForProvider(worker, headers);
    const key = worker.apiKey;
    if (key !== undefined) {
      removeHeaders(headers, isCredential);
      headers.append('authorization', `Bearer ${key}`);
    } else {
      removeHeaders(headers, this.#passesThrough() ? namesProvider : isCredential);
    }
    return FilterHeadersStatus.Continue;
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    removeHeaders(headers, isForged);
    const { worker } = this.#callbacks.run;
    if (worker === undefined) return FilterHeadersStatus.Continue;
    if (this.#shared.routed_worker_id) headers.append(ROUTED_WORKER_ID, worker.id);
    if (headers.status >= 400 && worker.runtime === 'external' && !endStream && headers.kind === 'bytes') {
      headers.delete('content-length');
      this.#error = [];
    }
    return FilterHeadersStatus.Continue;
  }

  encodeData(data: BodyData, endStream: boolean): FilterDataStatus {
    if (this.#error === undefined) return FilterDataStatus.Continue;
    this.#error.push(data.bytes);
    this.#errorBytes += data.bytes.length;
    if (!endStream && this.#errorBytes <= MAX_ERROR_BYTES) return FilterDataStatus.StopIterationNoBuffer;
    data.replace(this.#takeError());
    return FilterDataStatus.Continue;
  }

  encodeTrailers(): FilterTrailersStatus {
    if (this.#error !== undefined) this.#callbacks.injectEncodedData(this.#takeError(), false);
    return FilterTrailersStatus.Continue;
  }

  /** A cloud API gets the caller's key if it is meant for it, or its worker's, and never both. */
  #decodeForProvider(worker: Worker, headers: RequestHeaders): FilterHeadersStatus {
    const { byok, provider, apiKey } = worker;
    const caller = byok === 'deny' ? 'none' : callerCredential(headers, provider);
    removeHeaders(headers, isCredential);
    const error = this.#refusal(worker, caller);
    if (error !== undefined) {
      this.#callbacks.sendLocalReply(error);
      return FilterHeadersStatus.StopIteration;
    }
    const callerHas = typeof caller !== 'string';
    const prefersCaller = this.#shared.prefer === 'caller' && callerHas && !caller.placeholder;
    const callerFirst = byok === 'require' || apiKey === undefined || prefersCaller;
    if (callerHas && callerFirst) {
      setHeaders(headers, providerHeaders(provider));
      headers.append(caller.name, caller.value);
    } else if (apiKey !== undefined && byok !== 'require') {
      setHeaders(headers, providerAuthHeaders(provider, apiKey));
    }
    return FilterHeadersStatus.Continue;
  }

  /** Why no request may go out; undefined when one may. */
  #refusal(worker: Worker, caller: ReturnType<typeof callerCredential>): GatewayError | undefined {
    const hasStored = worker.apiKey !== undefined && worker.byok !== 'require';
    if (caller === 'mismatch' && !hasStored) {
      const message = 'The key that was sent is not one of the provider of this model';
      return new GatewayError('provider_key_mismatch', message, { details: 'provider_key_mismatch' });
    }
    if (caller === 'none' && worker.byok === 'require') {
      const own = worker.provider === undefined ? '' : ` (or ${PROVIDER_KEY_PREFIX}${worker.provider})`;
      const message = `The provider of this model wants a key of your own: send it as \`Authorization: Bearer <key>\`${own}`;
      return new GatewayError('missing_provider_key', message, { details: 'missing_provider_key' });
    }
    const sendsKey = hasStored || typeof caller !== 'string';
    if (sendsKey && !this.#shared.allow_plaintext_keys && this.#shared.clearText.has(worker)) {
      const message = 'The provider of this model is reached without TLS: no key is sent there';
      return new GatewayError('missing_provider_key', message, { details: 'provider_in_clear_text' });
    }
    return undefined;
  }

  #takeError(): Buffer {
    const bytes = Buffer.concat(this.#error ?? []);
    this.#error = undefined;
    return redactErrorBody(bytes);
  }

  /** What is left of the caller's credentials by now is its own: `auth` has taken the gateway's keys out. */
  #passesThrough(): boolean {
    switch (this.#shared.pass_through) {
      case 'never':
        return false;
      case 'always':
        return true;
      case 'when_open':
        return this.#callbacks.streamInfo.principal === undefined;
    }
  }
}

/** A version that the caller names stays. */
function setHeaders(headers: RequestHeaders, fields: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(fields)) if (!headers.has(name)) headers.append(name, value);
}

function namesProvider(name: string): boolean {
  return name.startsWith(PROVIDER_KEY_PREFIX);
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
