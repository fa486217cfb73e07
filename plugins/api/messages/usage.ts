import type { JsonObject, TokenUsage } from '../../../core/api/inference.js';

/**
 * Anthropic counts what was read from or written to a cache apart from the input; unknown counts are 0. `serviceTier` in
 * OpenAI's words.
 */
export function messageUsage(usage: TokenUsage, serviceTier?: string): JsonObject {
  const { promptTokens = 0, cachedTokens = 0, cacheWriteTokens = 0, completionTokens = 0, reasoningTokens } = usage;
  const tier = answerTier(serviceTier);
  return {
    input_tokens: Math.max(0, promptTokens - cachedTokens - cacheWriteTokens),
    output_tokens: completionTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedTokens,
    ...(reasoningTokens ? { output_tokens_details: { thinking_tokens: reasoningTokens } } : {}),
    ...(tier === undefined ? {} : { service_tier: tier }),
  };
}

/** Counts at the end of a stream. An unknown input is left out, so that it does not overwrite what was said before. */
export function deltaUsage(usage: TokenUsage): JsonObject {
  const { input_tokens: input, ...rest } = messageUsage(usage);
  return usage.promptTokens === undefined ? rest : { input_tokens: input, ...rest };
}

/** From OpenAI's word; Anthropic has none for `flex` and `scale`. */
function answerTier(tier: string | undefined): string | undefined {
  if (tier === 'default') return 'standard';
  return tier === 'priority' ? tier : undefined;
}
