import { createHash } from 'node:crypto';
import { type Conversation, GatewayError, type JsonObject, type ReasoningRequest } from '../../../core/api/index.js';
import { SILENTLY_DROPPED, type UnsupportedParams } from '../translate/unsupported-params.js';
import { type ChatFlavour, hasMinimalEffort, hasNoneEffort, isReasoningModel } from './flavour.js';

/** Fields of OpenAI's body that a client's may hold and that mean the same to any service with this API. */
const PASSED: ReadonlySet<string> = new Set([
  'metadata',
  'store',
  'prediction',
  'verbosity',
  'prompt_cache_key',
  'prompt_cache_retention',
]);
/** OpenAI refuses more. */
const MAX_STOPS = 4;
/** Characters that `safety_identifier` may have. */
const MAX_IDENTIFIER_CHARS = 64;

/** Budgets of thoughts below which an effort is meant, tokens. */
const EFFORTS_BY_BUDGET = [
  [2048, 'minimal'],
  [8192, 'low'],
  [16_384, 'medium'],
] as const;

/** All fields but messages and tools. `stopParam`: what the client calls `stop`. */
export function encodeSettings(
  conversation: Conversation,
  flavour: ChatFlavour,
  model: string,
  stopParam: string,
  unsupported: UnsupportedParams,
): JsonObject {
  const { maxTokens, stop, choices, logprobs, modalities, audio, webSearch, serviceTier, stream } = conversation;
  if (flavour.kind === 'openai' && stop.length > MAX_STOPS) {
    const message = `Invalid value for '${stopParam}': the worker of this model takes at most ${MAX_STOPS}`;
    throw new GatewayError('invalid_value', message, { param: stopParam });
  }
  const tier = flavour.kind === 'openai' ? serviceTier : undefined;
  return {
    ...(maxTokens === undefined ? {} : { [flavour.maxTokensField]: maxTokens }),
    ...encodeSampling(conversation, flavour, model, unsupported),
    ...(stop.length === 0 ? {} : { stop }),
    ...(choices === 1 ? {} : { n: choices }),
    ...(logprobs === undefined
      ? {}
      : { logprobs: true, ...(logprobs.top === 0 ? {} : { top_logprobs: logprobs.top }) }),
    ...encodeReasoning(conversation.reasoning, flavour, model, unsupported),
    ...encodeFormat(conversation),
    ...(modalities === undefined ? {} : { modalities }),
    ...(audio === undefined ? {} : { audio }),
    ...(webSearch === undefined ? {} : { web_search_options: webSearch }),
    ...encodeUser(conversation.user, flavour),
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...encodeExtra(conversation.extra, flavour, unsupported),
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
  };
}

function encodeSampling(
  { sampling }: Conversation,
  flavour: ChatFlavour,
  model: string,
  unsupported: UnsupportedParams,
): JsonObject {
  const fields: JsonObject = {};
  const fixed = flavour.kind === 'openai' && isReasoningModel(model);
  const add = (name: string, value: unknown, isTaken = true): void => {
    if (value === undefined) return;
    if (isTaken) fields[name] = value;
    else unsupported.drop(name);
  };
  add('temperature', sampling.temperature, !fixed);
  add('top_p', sampling.topP, !fixed);
  add('top_k', sampling.topK, flavour.kind === 'engine');
  add('seed', sampling.seed);
  add('frequency_penalty', sampling.frequencyPenalty);
  add('presence_penalty', sampling.presencePenalty);
  add('logit_bias', sampling.logitBias);
  return fields;
}

function encodeReasoning(
  reasoning: ReasoningRequest | undefined,
  flavour: ChatFlavour,
  model: string,
  unsupported: UnsupportedParams,
): JsonObject {
  if (reasoning === undefined) return {};
  const { mode } = reasoning;
  const wanted = mode === 'disabled' ? 'none' : (effortOfBudget(reasoning) ?? reasoning.effort);
  if (flavour.kind === 'engine') {
    const thinking = wanted === 'none' ? false : mode === 'enabled' ? true : undefined;
    // The switches of the templates that have one: DeepSeek's and Qwen's.
    const kwargs = thinking === undefined ? {} : { chat_template_kwargs: { thinking, enable_thinking: thinking } };
    return {
      ...kwargs,
      ...(wanted === undefined || wanted === 'none' ? {} : { reasoning_effort: plainEffort(wanted) }),
    };
  }
  if (wanted === undefined) return {};
  if (flavour.kind === 'cloud') return wanted === 'none' ? {} : { reasoning_effort: plainEffort(wanted) };
  if (!isReasoningModel(model)) {
    if (wanted !== 'none') unsupported.drop(mode === undefined ? 'reasoning_effort' : 'thinking');
    return {};
  }
  if (wanted === 'none') return hasNoneEffort(model) ? { reasoning_effort: 'none' } : {};
  if (wanted === 'minimal') return { reasoning_effort: hasMinimalEffort(model) ? 'minimal' : 'low' };
  return { reasoning_effort: wanted === 'max' ? 'xhigh' : wanted };
}

function effortOfBudget({ mode, budgetTokens }: ReasoningRequest): ReasoningRequest['effort'] {
  if (mode !== 'enabled' || budgetTokens === undefined) return undefined;
  return EFFORTS_BY_BUDGET.find(([below]) => budgetTokens < below)?.[1] ?? 'high';
}

/** The three words that everybody knows. */
function plainEffort(effort: NonNullable<ReasoningRequest['effort']>): string {
  if (effort === 'minimal') return 'low';
  return effort === 'xhigh' || effort === 'max' ? 'high' : effort;
}

function encodeFormat({ responseFormat: format }: Conversation): JsonObject {
  if (format === undefined) return {};
  if (format.kind === 'json_object') return { response_format: { type: 'json_object' } };
  const { name, description, schema, strict } = format;
  const described = description === undefined ? {} : { description };
  return { response_format: { type: 'json_schema', json_schema: { name, ...described, schema, strict } } };
}

function encodeUser(user: string | undefined, flavour: ChatFlavour): JsonObject {
  if (user === undefined) return {};
  if (flavour.userField === 'user') return { user };
  const short = user.length <= MAX_IDENTIFIER_CHARS ? user : createHash('sha256').update(user).digest('hex');
  return { safety_identifier: short };
}

/** Engines get what the client has for them; clouds what their API has, for they refuse the rest. */
function encodeExtra(extra: Readonly<JsonObject>, flavour: ChatFlavour, unsupported: UnsupportedParams): JsonObject {
  const fields: JsonObject = {};
  for (const [name, value] of Object.entries(extra)) {
    if (flavour.kind === 'engine' || PASSED.has(name)) fields[name] = value;
    else if (!SILENTLY_DROPPED.has(name)) unsupported.drop(name);
  }
  return fields;
}
