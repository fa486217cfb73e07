/** Cloud APIs that are told apart: each has its own way to take a key. */
export type Provider = 'openai' | 'xai' | 'anthropic' | 'gemini';

const BY_DOMAIN: readonly (readonly [string, Provider])[] = [
  ['openai.com', 'openai'],
  ['x.ai', 'xai'],
  ['anthropic.com', 'anthropic'],
  ['googleapis.com', 'gemini'],
];

const BY_MODEL: readonly (readonly [RegExp, Provider])[] = [
  [/^(?:gpt|o1|o3|dall-e|whisper|tts|text-embedding|babbage|davinci)|omni/, 'openai'],
  [/^grok/, 'xai'],
  [/^claude/, 'anthropic'],
  [/^gemini/, 'gemini'],
];

/** Version of its API that Anthropic wants named in every request. */
export const ANTHROPIC_VERSION = '2023-06-01';

/** Provider behind a host name: the domain itself or anything below it, so not `evilopenai.com`. Undefined for others. */
export function providerOfHost(hostname: string): Provider | undefined {
  const name = hostname.toLowerCase().replace(/\.$/, '');
  for (const [domain, provider] of BY_DOMAIN) if (name === domain || name.endsWith(`.${domain}`)) return provider;
  return undefined;
}

/** {@link providerOfHost} of a URL; undefined also for what is no URL. */
export function providerOfUrl(url: string): Provider | undefined {
  return URL.canParse(url) ? providerOfHost(new URL(url).hostname) : undefined;
}

/** Provider that trains models of such a name; undefined when the name does not tell. */
export function providerOfModel(model: string): Provider | undefined {
  const name = model.toLowerCase();
  for (const [pattern, provider] of BY_MODEL) if (pattern.test(name)) return provider;
  return undefined;
}

/** Headers by which a provider takes a key, lower-case names. Undefined, and any other name: a bearer token. */
export function providerAuthHeaders(provider: Provider | undefined, key: string): Record<string, string> {
  if (provider === 'anthropic') return { 'x-api-key': key, 'anthropic-version': ANTHROPIC_VERSION };
  if (provider === 'gemini') return { 'x-goog-api-key': key };
  return { authorization: `Bearer ${key}` };
}
