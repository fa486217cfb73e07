import type { UnsupportedPolicy } from '../translate/unsupported-params.js';

/** In what the services that speak OpenAI's chat API differ. */
export interface ChatFlavour {
  /**
   * `openai`: its own models and rules, refuses what it does not know. `cloud`: another service. `engine`: an inference
   * engine, which takes the fields of engines.
   */
  readonly kind: 'openai' | 'cloud' | 'engine';
  /** What it calls the most tokens of an answer. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Where it takes the client's name of who asks. */
  readonly userField: 'user' | 'safety_identifier';
  /** Whether history may hold `reasoning_content`. */
  readonly reasoningContent: boolean;
  readonly unsupported: UnsupportedPolicy;
}

const COMMON = { reasoningContent: false, unsupported: 'drop' } as const;

/** Defaults by service. */
export const CHAT_FLAVOURS = {
  openai: { ...COMMON, kind: 'openai', maxTokensField: 'max_completion_tokens', userField: 'safety_identifier' },
  azure: { ...COMMON, kind: 'openai', maxTokensField: 'max_completion_tokens', userField: 'user' },
  xai: { ...COMMON, kind: 'cloud', maxTokensField: 'max_completion_tokens', userField: 'user' },
  gemini: { ...COMMON, kind: 'cloud', maxTokensField: 'max_tokens', userField: 'user' },
  openai_compatible: { ...COMMON, kind: 'cloud', maxTokensField: 'max_tokens', userField: 'user' },
  engine: { ...COMMON, kind: 'engine', maxTokensField: 'max_tokens', userField: 'user', reasoningContent: true },
} as const satisfies Readonly<Record<string, ChatFlavour>>;

/** Settings of a provider that its flavour depends on. */
interface FlavourSettings {
  readonly max_tokens_field: 'max_tokens' | 'max_completion_tokens' | 'as_sent';
  readonly reasoning_content?: boolean | undefined;
  readonly unsupported: UnsupportedPolicy;
}

export function configuredFlavour(base: ChatFlavour, settings: FlavourSettings): ChatFlavour {
  const { max_tokens_field: field, reasoning_content: reasoningContent, unsupported } = settings;
  return {
    ...base,
    maxTokensField: field === 'as_sent' ? base.maxTokensField : field,
    reasoningContent: reasoningContent ?? base.reasoningContent,
    unsupported,
  };
}

/** OpenAI's models that reason: they take an effort and refuse sampling. */
export function isReasoningModel(model: string): boolean {
  return /^(?:o\d|gpt-5(?!-chat))/.test(model);
}

/** Models that reason but have no effort below `low`. */
export function hasMinimalEffort(model: string): boolean {
  return /^gpt-5(?!\.|-chat|-pro|-codex)/.test(model);
}

/** Models whose reasoning can be switched off. */
export function hasNoneEffort(model: string): boolean {
  return /^gpt-5\.[1-9]/.test(model);
}
