import { type HeaderMap, RequestHeaders, type Worker } from '../../core/api/index.js';

/**
 * Request fields that a worker gets to see. Everything else stays here: cookies and addresses are nobody's business
 * further down, and `accept-encoding` would have answers come back in a form that no filter can read. The media type and
 * the length are written by the backend.
 */
const FORWARDED: readonly string[] = [
  'authorization',
  'x-request-id',
  'x-correlation-id',
  'traceparent',
  'tracestate',
  'x-smg-routing-key',
  'anthropic-version',
  'anthropic-beta',
];

/** Those that a cloud API gets: its key, which `credentials` has put there, and what its own clients say. */
const FORWARDED_TO_ANY_PROVIDER: readonly string[] = ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key'];
const OPENAI_FIELDS: readonly string[] = [
  'openai-organization',
  'openai-project',
  'openai-beta',
  'idempotency-key',
  'x-ms-client-request-id',
];
const FORWARDED_BY_PROVIDER: Readonly<Record<string, readonly string[]>> = {
  openai: OPENAI_FIELDS,
  azure: OPENAI_FIELDS,
  anthropic: ['anthropic-version', 'anthropic-beta'],
};
/** Ids of ours are not a third party's business unless the operator says so. */
const TRACE_FIELDS: readonly string[] = ['traceparent', 'tracestate'];

const REQUEST_ID_PREFIX = 'x-request-id-';

/** Fields of one connection (RFC 9110 §7.6.1), and those that only the gateway itself may say. */
const NOT_RELAYED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'host',
  'x-smg-error-code',
]);

/** Who gets which request fields: the allow lists with what the config adds to them. Names in lower case. */
export class ForwardedNames {
  readonly #engines: ReadonlySet<string>;
  readonly #anyProvider: ReadonlySet<string>;
  readonly #byProvider: ReadonlyMap<string, ReadonlySet<string>>;

  /** `trace`: providers get the caller's trace context. */
  constructor(additional: readonly string[], trace: boolean) {
    const own = [...additional, ...(trace ? TRACE_FIELDS : [])];
    this.#engines = new Set([...FORWARDED, ...additional]);
    this.#anyProvider = new Set([...FORWARDED_TO_ANY_PROVIDER, ...own]);
    this.#byProvider = new Map(
      Object.entries(FORWARDED_BY_PROVIDER).map(([provider, fields]) => [
        provider,
        new Set([...FORWARDED_TO_ANY_PROVIDER, ...fields, ...own]),
      ]),
    );
  }

  for({ runtime, provider }: Pick<Worker, 'runtime' | 'provider'>): ReadonlySet<string> {
    if (runtime !== 'external') return this.#engines;
    return (provider === undefined ? undefined : this.#byProvider.get(provider)) ?? this.#anyProvider;
  }
}

/** Head of one call to a worker: same method and path, allowed fields only, in their order. */
export function createWorkerHeaders(headers: RequestHeaders, forwarded: ReadonlySet<string>): RequestHeaders {
  const from = headers.flat;
  const to: string[] = [];
  for (let i = 0; i < from.length; i += 2) {
    const name = from[i] as string;
    if (forwarded.has(name) || (name.startsWith(REQUEST_ID_PREFIX) && forwarded.has('x-request-id')))
      to.push(name, from[i + 1] as string);
  }
  return new RequestHeaders(headers.method, headers.path, '', 'http', to);
}

/** Of a cloud API's answer: what its edge says to browsers and to itself, and whose account was used. */
const PROVIDER_FIELDS: ReadonlySet<string> = new Set([
  'openai-organization',
  'openai-project',
  'set-cookie',
  'server',
  'alt-svc',
  'via',
  'nel',
  'report-to',
  'strict-transport-security',
  'x-content-type-options',
]);
const PROVIDER_EDGE = 'cf-';
const REQUEST_IDS: ReadonlySet<string> = new Set(['x-request-id', 'request-id']);
/** Under which a cloud API's own request id is shown: `x-request-id` is the gateway's. */
const PROVIDER_REQUEST_ID = 'x-provider-request-id';

/** Removes from a cloud API's answer what is between it and us, and renames its request id, in place. */
export function removeProviderFields(headers: HeaderMap): void {
  const flat = headers.flat;
  let to = 0;
  for (let from = 0; from < flat.length; from += 2) {
    const name = flat[from] as string;
    if (PROVIDER_FIELDS.has(name) || name.startsWith(PROVIDER_EDGE)) continue;
    flat[to] = REQUEST_IDS.has(name) ? PROVIDER_REQUEST_ID : name;
    flat[to + 1] = flat[from + 1] as string;
    to += 2;
  }
  while (flat.length > to) flat.pop();
}

/** Removes from a worker's answer what belongs to its connection, in place. Repeated fields stay repeated. */
export function removeConnectionFields(headers: HeaderMap): void {
  const flat = headers.flat;
  let nominated: string | undefined;
  let to = 0;
  for (let from = 0; from < flat.length; from += 2) {
    const name = flat[from] as string;
    if (NOT_RELAYED.has(name)) {
      if (name === 'connection')
        nominated = nominated === undefined ? flat[from + 1] : `${nominated},${flat[from + 1]}`;
      continue;
    }
    if (to !== from) {
      flat[to] = name;
      flat[to + 1] = flat[from + 1] as string;
    }
    to += 2;
  }
  while (flat.length > to) flat.pop();
  if (nominated !== undefined && nominated !== 'keep-alive' && nominated !== 'close')
    removeNominated(headers, nominated);
}

/** Fields that `Connection` names are the connection's too. */
function removeNominated(headers: HeaderMap, nominated: string): void {
  for (const name of nominated.toLowerCase().split(',')) headers.delete(name.trim());
}
