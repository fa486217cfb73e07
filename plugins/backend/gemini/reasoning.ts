import type { JsonObject, ReasoningEffort, ReasoningRequest } from '../../../core/api/index.js';
import type { EncodeContext } from './encode-context.js';
import type { GeminiFeatures } from './model-features.js';

/** Budgets in tokens that stand for an effort. */
const BUDGETS: Readonly<Record<ReasoningEffort, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};
/** The model decides how much. */
const DYNAMIC_BUDGET = -1;

/** `thinkingConfig` of a request; undefined: the model's default. A budget and a level are never sent together. */
export function encodeThinking(
  reasoning: ReasoningRequest | undefined,
  context: EncodeContext,
): JsonObject | undefined {
  const { features, unsupported } = context;
  if (reasoning === undefined) return undefined;
  const effort = reasoning.mode === 'disabled' ? 'none' : reasoning.effort;
  const budget = reasoning.mode === 'enabled' ? reasoning.budgetTokens : undefined;
  const isAdaptive = reasoning.mode === 'adaptive' && effort === undefined;
  if (effort === undefined && budget === undefined && !isAdaptive) return undefined;
  if (features.thinking === 'none') {
    if (effort !== 'none') unsupported.drop(reasoning.mode === undefined ? 'reasoning_effort' : 'thinking');
    return undefined;
  }
  if (isAdaptive) {
    return features.thinking === 'budget'
      ? { thinkingBudget: DYNAMIC_BUDGET, includeThoughts: true }
      : { includeThoughts: true };
  }
  const amount =
    features.thinking === 'budget'
      ? { thinkingBudget: inRange(budget ?? BUDGETS[effort as ReasoningEffort], features) }
      : { thinkingLevel: level(effort ?? effortOf(budget as number), features) };
  return effort === 'none' ? amount : { ...amount, includeThoughts: true };
}

/** Where thinking cannot be switched off, `none` is the least that there is. */
function inRange(budget: number, { minThinkingBudget, maxThinkingBudget }: GeminiFeatures): number {
  return Math.min(Math.max(budget, minThinkingBudget), maxThinkingBudget);
}

function level(effort: ReasoningEffort, { thinkingLevels }: GeminiFeatures): string {
  switch (effort) {
    case 'none':
    case 'minimal':
      return thinkingLevels.includes('minimal') ? 'minimal' : 'low';
    case 'low':
      return 'low';
    case 'medium':
      return thinkingLevels.includes('medium') ? 'medium' : 'high';
    default:
      return 'high';
  }
}

/** The effort whose budget comes nearest from above. */
function effortOf(budgetTokens: number): ReasoningEffort {
  if (budgetTokens <= BUDGETS.low) return 'low';
  return budgetTokens <= BUDGETS.medium ? 'medium' : 'high';
}
