/** Whose key a text is; `nobody`: its shape does not tell. */
export type KeyOwner = 'gateway' | 'openai' | 'xai' | 'anthropic' | 'gemini' | 'nobody';

export const PROVIDERS = ['openai', 'xai', 'anthropic', 'gemini', 'azure', 'groq'] as const;
export type Provider = (typeof PROVIDERS)[number];

/** Every key of this test holds this; where one may not be, no text may hold it. */
export const MARK = 'MARKEDKEY';

export const GATEWAY_KEYS = { api_key: `sk-${MARK}-gateway`, tenants: `${MARK}-tenant-red` } as const;
export const storedKey = (provider: Provider): string => `${PREFIX[provider]}${MARK}-stored-${provider}`;

/** Beginnings of each provider's keys. */
const PREFIX: Readonly<Record<Provider, string>> = {
  openai: 'sk-proj-',
  xai: 'xai-',
  anthropic: 'sk-ant-',
  gemini: 'AIza',
  azure: '',
  groq: 'gsk_',
};

/** The header in which each provider takes a key. */
const KEY_HEADER: Readonly<Record<Provider, string>> = {
  openai: 'authorization',
  xai: 'authorization',
  anthropic: 'x-api-key',
  gemini: 'x-goog-api-key',
  azure: 'api-key',
  groq: 'authorization',
};

/** A credential that a caller sends. `token` without its scheme. */
export interface Sent {
  readonly header: string;
  readonly value: string;
  readonly token: string;
  readonly owner: KeyOwner;
}

function sent(header: string, token: string, owner: KeyOwner, value = token): Sent {
  return { header, value, token, owner };
}

const callerKey = (prefix: string, where: string): string => `${prefix}${MARK}-caller-${where}`;

/** What may stand in each header beside nothing. `gateway`: the key with which the gateway lets in. */
function shapesOf(gateway: string): readonly (readonly Sent[])[] {
  const bearer = (token: string, owner: KeyOwner, scheme = 'Bearer '): Sent =>
    sent('authorization', token, owner, `${scheme}${token}`);
  const named = (provider: string, token: string, owner: KeyOwner = 'nobody'): Sent =>
    sent(`x-provider-key-${provider}`, token, owner);
  return [
    [
      bearer(gateway, 'gateway'),
      bearer(callerKey('sk-proj-', 'bearer'), 'openai'),
      bearer(callerKey('sk-ant-', 'bearer'), 'anthropic'),
      bearer(callerKey('AIza', 'bearer'), 'gemini', 'bearer '),
      bearer(callerKey('xai-', 'bearer'), 'xai', ''),
      bearer(callerKey('gsk_', 'bearer'), 'nobody', 'BEARER  '),
    ],
    [
      sent('x-api-key', gateway, 'gateway'),
      sent('x-api-key', callerKey('sk-ant-', 'x-api-key'), 'anthropic'),
      sent('x-api-key', callerKey('xai-', 'x-api-key'), 'xai'),
    ],
    [sent('x-goog-api-key', callerKey('AIza', 'x-goog'), 'gemini'), sent('x-goog-api-key', gateway, 'gateway')],
    [sent('api-key', callerKey('', 'api-key'), 'nobody'), sent('api-key', gateway, 'gateway')],
    [
      named('openai', callerKey('', 'named-openai')),
      named('anthropic', callerKey('', 'named-anthropic')),
      named('groq', callerKey('', 'named-groq')),
      named('gemini', gateway, 'gateway'),
    ],
  ];
}

/** Every combination of what may stand in the five headers. */
export function combinations(gateway: string): readonly (readonly Sent[])[] {
  let all: readonly (readonly Sent[])[] = [[]];
  for (const shapes of shapesOf(gateway)) {
    all = all.flatMap((some) => [some, ...shapes.map((shape) => [...some, shape])]);
  }
  return all;
}

export type GatewayAuth = 'open' | 'api_key' | 'tenants';
export type Byok = 'allow' | 'require' | 'deny';

/** A worker as the oracle sees it. */
export interface KeyedWorker {
  readonly provider: Provider;
  readonly stored: boolean;
  readonly byok: Byok;
}

/** What must come of a request. `credential` undefined: it goes out without one. */
export type Outcome =
  | { readonly refused: 'invalid_api_key' | 'provider_key_mismatch' | 'missing_provider_key' }
  | { readonly credential: readonly [header: string, value: string] | undefined };

/** What the rules of docs/providers.md come to, written down apart from the gateway's own code. */
export function expected(credentials: readonly Sent[], auth: GatewayAuth, worker: KeyedWorker): Outcome {
  const { provider, stored, byok } = worker;
  const opens = ({ header, owner }: Sent): boolean =>
    owner === 'gateway' && (header === 'authorization' || header === 'x-api-key');
  if (auth !== 'open' && !credentials.some(opens)) return { refused: 'invalid_api_key' };
  // An open gateway has no key of its own: what looks like one is the caller's, with a shape that tells what it tells.
  const own = credentials.filter(({ owner }) => auth === 'open' || owner !== 'gateway');
  const storedCredential = stored ? inHeader(provider, storedKey(provider)) : undefined;
  if (byok === 'deny') return { credential: storedCredential };
  const key = callerKeyFor(provider, own);
  if (key !== undefined) return { credential: outgoing(provider, key) };
  if (byok === 'allow' && stored) return { credential: storedCredential };
  if (own.length > 0) return { refused: 'provider_key_mismatch' };
  return byok === 'require' ? { refused: 'missing_provider_key' } : { credential: undefined };
}

/** The one of a caller's own credentials that is meant for a provider. */
function callerKeyFor(provider: Provider, own: readonly Sent[]): Sent | undefined {
  return (
    own.find(({ header }) => header === `x-provider-key-${provider}`) ??
    own.find((key) => key.header === KEY_HEADER[provider] && key.header !== 'authorization' && mayGo(key, provider)) ??
    own.find((key) => key.header === 'authorization' && mayGo(key, provider))
  );
}

/** Not to a provider that its shape says it is not of. Keys that begin with `sk-` alone are OpenAI's or of one like it. */
function mayGo({ header, owner, token }: Sent, provider: Provider): boolean {
  if (owner === 'openai' || (token.startsWith('sk-') && !token.startsWith('sk-ant-'))) {
    return header !== 'authorization' || provider === 'openai' || provider === 'groq';
  }
  return owner === 'nobody' || owner === 'gateway' || owner === provider;
}

function inHeader(provider: Provider, token: string): readonly [string, string] {
  const header = KEY_HEADER[provider];
  return [header, header === 'authorization' ? `Bearer ${token}` : token];
}

/** A scheme stays as it was written, where the provider wants one. */
function outgoing(provider: Provider, { header, value, token }: Sent): readonly [string, string] {
  const asSent = header === 'authorization' && KEY_HEADER[provider] === header && value !== token;
  return asSent ? [header, value] : inHeader(provider, token);
}

/** The credential headers of a request, all of them. */
export function credentialsIn(headers: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const names = new Set([...Object.values(KEY_HEADER), 'proxy-authorization', 'cookie']);
  return headers.filter(([name]) => names.has(name) || name.startsWith('x-provider-key-'));
}
