import type { TokenUsage } from '../../../core/api/index.js';
import type { ModalityTokens, UsageMetadata } from './wire.js';

/** Counts of an answer so far. What Gemini leaves out is 0. */
export function decodeUsage(usage: UsageMetadata): TokenUsage {
  const { thoughtsTokenCount = 0, cachedContentTokenCount = 0 } = usage;
  return {
    promptTokens: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
    completionTokens: (usage.candidatesTokenCount ?? 0) + thoughtsTokenCount,
    ...(cachedContentTokenCount > 0 ? { cachedTokens: cachedContentTokenCount } : {}),
    ...(thoughtsTokenCount > 0 ? { reasoningTokens: thoughtsTokenCount } : {}),
    ...audioTokens('promptAudioTokens', usage.promptTokensDetails),
    ...audioTokens('completionAudioTokens', usage.candidatesTokensDetails),
  };
}

function audioTokens(
  field: 'promptAudioTokens' | 'completionAudioTokens',
  details: readonly ModalityTokens[] | undefined,
): TokenUsage {
  const count = Array.isArray(details)
    ? (details as readonly ModalityTokens[]).find(({ modality }) => modality === 'AUDIO')?.tokenCount
    : undefined;
  return count === undefined ? {} : { [field]: count };
}
