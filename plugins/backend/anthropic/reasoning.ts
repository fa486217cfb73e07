import {
  type Conversation,
  GatewayError,
  type JsonObject,
  type ReasoningEffort,
  type ReasoningRequest,
  type Turn,
} from '../../../core/api/index.js';
import type { UnsupportedParams } from '../translate/unsupported-params.js';
import type { ModelFeatures } from './model-features.js';

/** Least that Anthropic takes, tokens. */
const MIN_BUDGET_TOKENS = 1024;

/** Tokens by effort, for models that take a budget. */
const BUDGETS: Readonly<Record<Exclude<ReasoningEffort, 'none'>, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16384,
  xhigh: 32768,
  max: 65536,
};

/** What goes into the request about thinking, and the tokens that the whole answer may have. */
export interface ReasoningPlan {
  readonly thinking: JsonObject | undefined;
  /** `output_config.effort`. */
  readonly effort: string | undefined;
  /** The model is told to think. */
  readonly on: boolean;
  readonly maxTokens: number;
}

interface WantedThinking {
  readonly thinking: JsonObject;
  readonly effort?: string | undefined;
}

export interface ReasoningContext {
  readonly features: ModelFeatures;
  readonly defaultMaxTokens: number;
  /** The answer must begin with a certain tool, which Anthropic does not allow together with thoughts. */
  readonly forcedTool: boolean;
  readonly params: UnsupportedParams;
}

export function planReasoning(conversation: Conversation, context: ReasoningContext): ReasoningPlan {
  const maxTokens = readMaxTokens(conversation.maxTokens, context);
  const name = paramName(conversation.reasoning);
  const wanted = wantedThinking(conversation.reasoning, context, name);
  if (wanted === undefined) return { thinking: undefined, effort: undefined, on: false, maxTokens };
  const { type } = wanted.thinking;
  if (type !== 'enabled' && type !== 'adaptive') return { ...wanted, effort: undefined, on: false, maxTokens };
  const off = { thinking: undefined, effort: wanted.effort, on: false, maxTokens };
  if (context.forcedTool || endsInPrefill(conversation.turns)) return withNote(off, context, name);
  if (type === 'adaptive') return { ...wanted, effort: wanted.effort, on: true, maxTokens };
  if (continuesUnsignedCall(conversation.turns)) return withNote(off, context, name);
  return withBudget(wanted.thinking, conversation.maxTokens === undefined, maxTokens, context, name);
}

function withNote(plan: ReasoningPlan, { params }: ReasoningContext, name: string): ReasoningPlan {
  params.note(name);
  return plan;
}

function paramName(reasoning: ReasoningRequest | undefined): string {
  return reasoning?.effort === undefined || reasoning.thinking !== undefined ? 'thinking' : 'reasoning_effort';
}

function readMaxTokens(given: number | undefined, { features, defaultMaxTokens, params }: ReasoningContext): number {
  const cap = features.max_output_tokens;
  if (given === undefined) return cap ?? defaultMaxTokens;
  if (!Number.isInteger(given) || given < 1) {
    throw new GatewayError('invalid_value', "'max_tokens' must be a whole number of at least 1", {
      param: 'max_tokens',
    });
  }
  if (cap === undefined || given <= cap) return given;
  params.note('max_tokens:clamped');
  return cap;
}

/** The request's own `thinking` counts before an effort. Undefined: nothing is said, the model does as it does. */
function wantedThinking(
  reasoning: ReasoningRequest | undefined,
  context: ReasoningContext,
  name: string,
): WantedThinking | undefined {
  if (reasoning === undefined) return undefined;
  const { features, params } = context;
  const { thinking, mode, effort, budgetTokens } = reasoning;
  if (thinking !== undefined) return { thinking, effort: effortWord(effort, features) };
  if (mode === undefined && effort === undefined) return undefined;
  const disabled = mode === 'disabled' || effort === 'none';
  if (features.thinking === 'none') {
    if (!disabled) params.drop(name);
    return undefined;
  }
  if (disabled) return { thinking: { type: 'disabled' } };
  if (features.thinking !== 'budget') return { thinking: { type: 'adaptive' }, effort: effortWord(effort, features) };
  const budget = budgetTokens ?? BUDGETS[(effort ?? 'high') as keyof typeof BUDGETS];
  return { thinking: { type: 'enabled', budget_tokens: budget } };
}

function effortWord(
  effort: ReasoningEffort | undefined,
  { effort: known, thinking }: ModelFeatures,
): string | undefined {
  if (effort === undefined || effort === 'none' || !known || thinking === 'budget') return undefined;
  return effort === 'minimal' ? 'low' : effort;
}

/** A budget is part of `max_tokens`, which a default makes room for and the caller's own number limits. */
function withBudget(
  thinking: JsonObject,
  defaulted: boolean,
  given: number,
  context: ReasoningContext,
  name: string,
): ReasoningPlan {
  const asked = typeof thinking.budget_tokens === 'number' ? thinking.budget_tokens : MIN_BUDGET_TOKENS;
  const cap = context.features.max_output_tokens ?? Number.POSITIVE_INFINITY;
  const maxTokens = defaulted ? Math.min(cap, given + asked) : given;
  const budget = Math.min(Math.max(asked, MIN_BUDGET_TOKENS), maxTokens - 1);
  if (budget < MIN_BUDGET_TOKENS) {
    return withNote({ thinking: undefined, effort: undefined, on: false, maxTokens: given }, context, name);
  }
  return { thinking: { ...thinking, budget_tokens: budget }, effort: undefined, on: true, maxTokens };
}

function endsInPrefill(turns: readonly Turn[]): boolean {
  return turns.findLast(({ role }) => role !== 'system')?.role === 'assistant';
}

/**
 * Whether the last answer called tools without the signed thoughts that led to it. A model that thinks by budget refuses
 * to go on from there; clients that speak OpenAI's dialect mostly cannot carry them.
 */
function continuesUnsignedCall(turns: readonly Turn[]): boolean {
  let end = turns.findLastIndex(({ role }) => role === 'assistant');
  if (turns[end]?.parts.some(({ kind }) => kind === 'tool_call') !== true) return false;
  // Neighbours become one message.
  for (; turns[end]?.role === 'assistant'; end--) if (turns[end]?.parts.some(isSignedReasoning) === true) return false;
  return true;
}

/** Thoughts that Anthropic takes back. */
export function isSignedReasoning(part: Turn['parts'][number]): boolean {
  if (part.kind === 'redacted_reasoning') return part.vendor === 'anthropic';
  return part.kind === 'reasoning' && part.vendor === 'anthropic' && (part.signature ?? '') !== '';
}
