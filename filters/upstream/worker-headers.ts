import { type HeaderMap, RequestHeaders } from '../../core/api/index.js';

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

/** The allow list with what the config adds to it. Names in lower case. */
export function createForwardedNames(additional: readonly string[]): ReadonlySet<string> {
  return new Set([...FORWARDED, ...additional]);
}

/** Head of one call to a worker: same method and path, allowed fields only, in their order. */
export function createWorkerHeaders(headers: RequestHeaders, forwarded: ReadonlySet<string>): RequestHeaders {
  const from = headers.flat;
  const to: string[] = [];
  for (let i = 0; i < from.length; i += 2) {
    const name = from[i] as string;
    if (forwarded.has(name) || name.startsWith(REQUEST_ID_PREFIX)) to.push(name, from[i + 1] as string);
  }
  return new RequestHeaders(headers.method, headers.path, '', 'http', to);
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
