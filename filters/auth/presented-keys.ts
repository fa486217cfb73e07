import { isCredential, type RequestHeaders } from '../../core/api/index.js';
import type { KeyHolder, KeyRing } from './key-ring.js';

const AUTHORIZATION = 'authorization';
const API_KEY = 'x-api-key';

/** The gateway keys that a request came with. */
export interface PresentedKeys {
  /** First key of the data plane. */
  readonly client: KeyHolder | undefined;
  /** First key of the control plane. */
  readonly administrator: KeyHolder | undefined;
  /** Whether there was anything where a key belongs. */
  readonly sent: boolean;
}

const NONE: PresentedKeys = { client: undefined, administrator: undefined, sent: false };

/**
 * Finds the keys in `Authorization: Bearer` and `x-api-key`, and removes every credential header that carries one, in
 * place, in whatever form, and so with query parameters: a second copy would otherwise travel on to a worker.
 */
export function takeKeys(headers: RequestHeaders, ring: KeyRing): PresentedKeys {
  const { flat } = headers;
  let client: KeyHolder | undefined;
  let administrator: KeyHolder | undefined;
  let sent = false;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (!isCredential(name)) continue;
    if (name === AUTHORIZATION || name === API_KEY) sent = true;
    const value = flat[i + 1] as string;
    const token = bearerToken(value);
    const bearer = token === undefined ? undefined : ring.find(token);
    const holder = bearer ?? ring.find(value);
    if (holder === undefined) continue;
    flat.splice(i, 2);
    i -= 2;
    // What counts is a key in its place; anywhere else it is only kept from going on.
    if (name === AUTHORIZATION ? bearer === undefined : name !== API_KEY || bearer !== undefined) continue;
    if (holder.tenant !== undefined) client ??= holder;
    if (holder.administrator !== undefined) administrator ??= holder;
  }
  if (headers.path.includes('?')) headers.path = withoutKeys(headers.path, ring);
  return sent ? { client, administrator, sent } : NONE;
}

/** Query parameters in which clients of some vendors send a key. */
const KEY_PARAMETER = /^(?:key|api[-_]?key|access_token|token)$/i;

/** The target without parameters that carry one of the keys; everything else byte for byte. */
function withoutKeys(target: string, ring: KeyRing): string {
  const mark = target.indexOf('?');
  const parts = target.slice(mark + 1).split('&');
  const kept = parts.filter((part) => {
    const equals = part.indexOf('=');
    if (equals < 0 || !KEY_PARAMETER.test(part.slice(0, equals))) return true;
    const value = part.slice(equals + 1);
    return ring.find(value) === undefined && ring.find(decoded(value)) === undefined;
  });
  if (kept.length === parts.length) return target;
  return kept.length === 0 ? target.slice(0, mark) : `${target.slice(0, mark)}?${kept.join('&')}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // No key is written like this.
  }
}

/** The token of `Bearer <token>`; the scheme in any case, one or more spaces. Undefined for other schemes. */
function bearerToken(value: string): string | undefined {
  if (value.length < 8 || value.charCodeAt(6) !== 0x20) return undefined;
  const scheme = value.slice(0, 6);
  if (scheme !== 'Bearer' && scheme.toLowerCase() !== 'bearer') return undefined;
  let start = 7;
  while (value.charCodeAt(start) === 0x20) start++;
  return value.slice(start);
}
