import type { RequestHeaders } from './headers.js';
import { providerFacts, providerOfKey } from './provider.js';

/** Names a key for one provider outright: `x-provider-key-anthropic`. */
export const PROVIDER_KEY_PREFIX = 'x-provider-key-';

const AUTHORIZATION = 'authorization';
/** Headers that only one provider takes a key in. */
const OWN_HEADERS: ReadonlySet<string> = new Set(['x-api-key', 'x-goog-api-key', 'api-key']);
/** Tokens of Anthropic's subscriptions are no API keys: they stay bearer tokens. */
const ANTHROPIC_TOKEN = 'sk-ant-oat';

/** Real keys are longer, whoever gives them out. */
const MIN_KEY_CHARS = 16;

/** A header that may go out. */
export interface OutgoingCredential {
  readonly name: string;
  readonly value: string;
  /** Too short for a key of any provider: what people write where an SDK insists on a key (`unused`, `EMPTY`). */
  readonly placeholder: boolean;
}

/** `mismatch`: there are credentials, but each is another provider's. `none`: there are none. */
export type CallerCredential = OutgoingCredential | 'mismatch' | 'none';

/** Whether a request header may carry a credential. */
export function isCredential(name: string): boolean {
  return name === AUTHORIZATION || OWN_HEADERS.has(name) || name.startsWith(PROVIDER_KEY_PREFIX);
}

/**
 * The caller's key for a provider. Bound to it is what stands in a header that names it, then in the header in which it
 * takes keys; a bearer token is bound to whatever provider the request goes to. The last two only, if their shape does not
 * say that they are another's.
 * `provider` undefined: a service that speaks OpenAI's API.
 */
export function callerCredential(headers: RequestHeaders, provider: string | undefined): CallerCredential {
  const { flat } = headers;
  const keyHeader = providerFacts(provider)?.keyHeader ?? AUTHORIZATION;
  const named = provider === undefined ? undefined : `${PROVIDER_KEY_PREFIX}${provider}`;
  let own: OutgoingCredential | undefined;
  let bearer: OutgoingCredential | undefined;
  let others = false;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (!isCredential(name)) continue;
    const value = (flat[i + 1] as string).trim();
    if (value === '') continue;
    if (name === named) return { ...inHeader(keyHeader, value), placeholder: false };
    if (name === keyHeader && name !== AUTHORIZATION && isNobodyElses(provider, tokenOf(value))) {
      own ??= inHeader(keyHeader, value);
    } else if (name === AUTHORIZATION && mayBe(provider, tokenOf(value))) bearer ??= inHeader(keyHeader, value);
    else others = true;
  }
  return own ?? bearer ?? (others ? 'mismatch' : 'none');
}

/**
 * Takes out a bearer token of which nothing says whose it is: it was meant for whoever the request was first sent to. What
 * names its provider, by its header or its shape, stays.
 */
export function removeUnboundKey(headers: RequestHeaders): void {
  const value = headers.get(AUTHORIZATION);
  if (value !== undefined && providerOfKey(tokenOf(value.trim())) === undefined) headers.delete(AUTHORIZATION);
}

/** Anthropic's SDK sends whatever key it was given in `x-api-key`. */
function isNobodyElses(provider: string | undefined, token: string): boolean {
  const owner = providerOfKey(token);
  return owner === undefined || owner === provider;
}

/** Keys that begin with `sk-` and are no provider's alone are OpenAI's, or a service's that copied it. */
function mayBe(provider: string | undefined, token: string): boolean {
  const owner = providerOfKey(token);
  if (owner !== undefined) return owner === provider;
  if (!token.startsWith('sk-')) return true;
  return provider === 'openai' || providerFacts(provider) === undefined;
}

function inHeader(keyHeader: string, value: string): OutgoingCredential {
  const token = tokenOf(value);
  const placeholder = token.length < MIN_KEY_CHARS;
  if (keyHeader !== AUTHORIZATION && !(keyHeader === 'x-api-key' && token.startsWith(ANTHROPIC_TOKEN))) {
    return { name: keyHeader, value: token, placeholder };
  }
  // Another scheme than Bearer goes as it is.
  const bare = token === value && !value.includes(' ');
  return { name: AUTHORIZATION, value: bare ? `Bearer ${token}` : value, placeholder };
}

/** Without the scheme `Bearer`, in any case. */
function tokenOf(value: string): string {
  return /^bearer\s/i.test(value) ? value.slice(7).trim() : value;
}
