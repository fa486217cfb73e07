/** What is to be known of a cloud API before anything is sent to it. From the vendors' public API references. */
export interface ProviderFacts {
  /** Names that mean the same. */
  readonly aliases: readonly string[];
  /** Its hosts: the domain itself or anything below it. */
  readonly domains: readonly string[];
  /** Base URL where none is stated; undefined: each customer has one of their own. */
  readonly url: string | undefined;
  /** Header that takes the key; `authorization` takes it as a bearer token. */
  readonly keyHeader: 'authorization' | 'x-api-key' | 'x-goog-api-key' | 'api-key';
  /** Fields that it wants in every request beside the key. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whose models it serves; most serve their own. */
  readonly modelsOf?: string;
  /** Environment variables with the key of its requests, the first that is set. */
  readonly keyVariables: readonly string[];
  /** Environment variable with a key for its list of models, which goes before any other key for that. */
  readonly listKeyVariable: string;
  /** Path and query of its list of models, below a base URL without version. */
  readonly modelsPath: string;
  /** Ends of base URLs, as the vendor prints them, that its paths begin with themselves. */
  readonly versions: readonly string[];
  /** Beginnings of keys that are nobody else's; empty where others have keys like that. */
  readonly keyPrefixes: readonly string[];
}

/** Version of its API that Anthropic wants named in every request. */
export const ANTHROPIC_VERSION = '2023-06-01';

/** Cloud APIs with rules of their own. Any other name is a service that speaks OpenAI's API. */
export const PROVIDERS = {
  openai: {
    aliases: [],
    domains: ['openai.com'],
    url: 'https://api.openai.com',
    keyHeader: 'authorization',
    headers: {},
    keyVariables: ['OPENAI_API_KEY'],
    listKeyVariable: 'OPENAI_ADMIN_KEY',
    modelsPath: '/v1/models',
    versions: ['/v1'],
    keyPrefixes: [],
  },
  xai: {
    aliases: ['grok'],
    domains: ['x.ai'],
    url: 'https://api.x.ai',
    keyHeader: 'authorization',
    headers: {},
    keyVariables: ['XAI_API_KEY'],
    listKeyVariable: 'XAI_ADMIN_KEY',
    modelsPath: '/v1/models',
    versions: ['/v1'],
    keyPrefixes: ['xai-'],
  },
  anthropic: {
    aliases: ['claude'],
    domains: ['anthropic.com'],
    url: 'https://api.anthropic.com',
    keyHeader: 'x-api-key',
    headers: { 'anthropic-version': ANTHROPIC_VERSION },
    keyVariables: ['ANTHROPIC_API_KEY'],
    listKeyVariable: 'ANTHROPIC_ADMIN_KEY',
    modelsPath: '/v1/models?limit=1000',
    versions: ['/v1'],
    keyPrefixes: ['sk-ant-'],
  },
  gemini: {
    aliases: ['google'],
    domains: ['generativelanguage.googleapis.com'],
    url: 'https://generativelanguage.googleapis.com',
    keyHeader: 'x-goog-api-key',
    headers: {},
    keyVariables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    listKeyVariable: 'GEMINI_ADMIN_KEY',
    modelsPath: '/v1beta/models?pageSize=1000',
    versions: ['/v1beta/openai', '/v1beta', '/v1'],
    keyPrefixes: ['AIza'],
  },
  azure: {
    aliases: ['azure_openai', 'azure-openai'],
    modelsOf: 'openai',
    domains: ['openai.azure.com', 'services.ai.azure.com', 'cognitiveservices.azure.com'],
    url: undefined,
    keyHeader: 'api-key',
    headers: {},
    keyVariables: ['AZURE_OPENAI_API_KEY'],
    listKeyVariable: 'AZURE_OPENAI_ADMIN_KEY',
    modelsPath: '/openai/v1/models',
    versions: ['/openai/v1', '/openai'],
    keyPrefixes: [],
  },
} as const satisfies Readonly<Record<string, ProviderFacts>>;

/** Providers with rules of their own. */
export type KnownProvider = keyof typeof PROVIDERS;

/** What a provider that the gateway cannot speak to would need. */
export interface UnbuiltProvider {
  readonly name: string;
  /** What is missing, and what to do instead. */
  readonly problem: string;
}

const UNBUILT: readonly (UnbuiltProvider & { readonly names: readonly string[]; readonly host: RegExp })[] = [
  {
    name: 'bedrock',
    names: ['bedrock', 'aws', 'aws_bedrock'],
    host: /^bedrock[a-z-]*\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/,
    problem:
      'Amazon Bedrock wants requests signed with AWS Signature Version 4, which is not built: put a gateway that signs in front of it',
  },
  {
    name: 'vertex',
    names: ['vertex', 'vertex_ai', 'vertexai'],
    host: /^(?:[a-z0-9-]+-)?aiplatform\.googleapis\.com$/,
    problem:
      "Vertex AI wants OAuth 2 tokens of a Google service account, which are not built: use provider: gemini with an API key of Google's AI Studio",
  },
  {
    name: 'oci',
    names: ['oci'],
    host: /^inference\.generativeai\.[a-z0-9-]+\.oci\.oraclecloud\.com$/,
    problem:
      'OCI Generative AI wants requests signed with an OCI key pair, which is not built: put a gateway that signs in front of it',
  },
];

const BY_MODEL: readonly (readonly [RegExp, KnownProvider | undefined])[] = [
  // Open weights, served by anybody.
  [/^gpt-oss/, undefined],
  [
    /^(?:gpt-|chatgpt-|codex-|computer-use-|text-embedding-|text-moderation|omni-moderation|dall-e|sora|whisper-|tts-|babbage|davinci)|^o\d(?:-|$)/,
    'openai',
  ],
  [/^(?:[a-z]{2,6}\.)?(?:anthropic\.)?claude|^publishers\/anthropic\//, 'anthropic'],
  [/^(?:models\/)?(?:gemini-|imagen-|veo-)/, 'gemini'],
  [/^grok-/, 'xai'],
];

/** Facts of a provider by its name; undefined for any that only speaks OpenAI's API. */
export function providerFacts(name: string | undefined): ProviderFacts | undefined {
  return name !== undefined && Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name as KnownProvider] : undefined;
}

/** The one spelling of a provider's name: lower case, aliases resolved. */
export function canonicalProvider(name: string): string {
  const lower = name.trim().toLowerCase();
  for (const [provider, { aliases }] of Object.entries<ProviderFacts>(PROVIDERS)) {
    if (aliases.includes(lower)) return provider;
  }
  return lower;
}

/** Provider behind a host name: the domain itself or anything below it, so not `evilopenai.com`. Undefined for others. */
export function providerOfHost(hostname: string): KnownProvider | undefined {
  const name = hostname.toLowerCase().replace(/\.$/, '');
  for (const [provider, { domains }] of Object.entries<ProviderFacts>(PROVIDERS)) {
    if (domains.some((domain) => name === domain || name.endsWith(`.${domain}`))) return provider as KnownProvider;
  }
  return undefined;
}

/** {@link providerOfHost} of a URL; undefined also for what is no URL. */
export function providerOfUrl(url: string): KnownProvider | undefined {
  return URL.canParse(url) ? providerOfHost(new URL(url).hostname) : undefined;
}

/** The provider that a worker would be of and that the gateway cannot speak to, by its stated name or its URL. */
export function unbuiltProvider(name: string | undefined, url: string): UnbuiltProvider | undefined {
  const lower = name?.trim().toLowerCase();
  if (lower !== undefined) return UNBUILT.find(({ names }) => names.includes(lower));
  const host = URL.canParse(url) ? new URL(url).hostname.toLowerCase() : '';
  return UNBUILT.find((unbuilt) => unbuilt.host.test(host));
}

/** Provider whose models have such names; undefined when the name does not tell. The last resort, where nothing is stated. */
export function providerOfModel(model: string): KnownProvider | undefined {
  const name = model.toLowerCase();
  for (const [pattern, provider] of BY_MODEL) if (pattern.test(name)) return provider;
  return undefined;
}

/** Provider that alone gives out keys of this shape; undefined for keys that tell nothing. */
export function providerOfKey(key: string): KnownProvider | undefined {
  for (const [provider, { keyPrefixes }] of Object.entries<ProviderFacts>(PROVIDERS)) {
    if (keyPrefixes.some((prefix) => key.startsWith(prefix))) return provider as KnownProvider;
  }
  return undefined;
}

/** Fields that a provider wants in every request beside the key. */
export function providerHeaders(provider: string | undefined): Readonly<Record<string, string>> {
  return providerFacts(provider)?.headers ?? {};
}

/** Headers by which a provider takes a key, lower-case names. Undefined, and any other name: a bearer token. */
export function providerAuthHeaders(provider: string | undefined, key: string): Record<string, string> {
  const { keyHeader, headers } = providerFacts(provider) ?? { keyHeader: 'authorization', headers: {} };
  return { [keyHeader]: keyHeader === 'authorization' ? `Bearer ${key}` : key, ...headers };
}

/** A worker's base URL without the version that it ends with, as vendors print it. `provider` undefined: an engine. */
export function providerRoot(provider: string | undefined, url: string): string {
  const versions = providerFacts(provider)?.versions ?? ['/v1'];
  const version = versions.find((suffix) => url.endsWith(suffix));
  return version === undefined ? url : url.slice(0, -version.length);
}
