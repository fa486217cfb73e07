import type { TokenUsage } from '../../../core/api/index.js';
import type { UsageMetadata } from './wire.js';

/** Counts of an answer so far. What Gemini leaves out is 0. */
export function decodeUsage(usage: UsageMetadata): TokenUsage {
  const { thoughtsTokenCount = 0, cachedContentTokenCount = 0 } = usage;
  return {
    promptTokens: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
    completionTokens: (usage.candidatesTokenCount ?? 0) + thoughtsTokenCount,
    ...(cachedContentTokenCount > 0 ? { cachedTokens: cachedContentTokenCount } : {}),
    ...(thoughtsTokenCount > 0 ? { reasoningTokens: thoughtsTokenCount } : {}),
  };
}
