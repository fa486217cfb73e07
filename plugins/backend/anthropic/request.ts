import { createHash } from 'node:crypto';
import { type BackendCall, type Conversation, isJsonObject, type JsonObject } from '../../../core/api/index.js';
import { customToolNames } from '../translate/tool-arguments.js';
import { COMMON_TOOL_NAMES, ToolNames } from '../translate/tool-names.js';
import { SILENTLY_DROPPED, UnsupportedParams, unsupportedParameter } from '../translate/unsupported-params.js';
import type { EncodedRequest } from '../translate/worker-dialect.js';
import { MessagesDecoder } from './decoder.js';
import { allowsFiles, betaHeader, versionHeader } from './headers.js';
import type { ModelFeatures } from './model-features.js';
import { planReasoning, type ReasoningPlan } from './reasoning.js';
import { planResponseFormat, type ResponseFormatPlan } from './response-format.js';
import { encodeSampling } from './sampling.js';
import type { AnthropicSettings } from './settings.js';
import { encodeTools, forcesTool } from './tools.js';
import { encodeTurns } from './turns.js';

export const MESSAGES_PATH = '/v1/messages';
const MAX_USER_ID_CHARS = 256;

/** Fields of Anthropic's own that a client of another dialect may send: it knows where they go. */
const PASSED: ReadonlySet<string> = new Set([
  'mcp_servers',
  'container',
  'context_management',
  'cache_control',
  'inference_geo',
  'speed',
]);
const READ_ELSEWHERE: ReadonlySet<string> = new Set(['output_config', 'anthropic_beta']);
const SERVICE_TIERS: Readonly<Record<string, string>> = { auto: 'auto', default: 'standard_only' };

/** Writes a conversation as a request to `POST /v1/messages`. */
export function encodeRequest(
  conversation: Conversation,
  call: BackendCall,
  settings: AnthropicSettings,
  features: ModelFeatures,
): EncodedRequest {
  refuseWhatMustNotBeLost(conversation);
  const params = new UnsupportedParams(settings.unsupported);
  const names = new ToolNames(COMMON_TOOL_NAMES, conversation.tools);
  const beta = betaHeader(call.headers, conversation.extra.anthropic_beta, settings.betas);
  const format = planResponseFormat(conversation, features);
  const { tools, toolChoice } = encodeTools(conversation, { settings, features, names, params, format });
  const reasoning = planReasoning(conversation, {
    features,
    defaultMaxTokens: settings.default_max_tokens,
    forcedTool: format.kind === 'forced_tool' || forcesTool(conversation),
    params,
  });
  const { system, messages } = encodeTurns(conversation, {
    settings,
    features,
    names,
    params,
    filesAllowed: allowsFiles(beta),
    thinking: reasoning.on,
    instruction: format.kind === 'instruction' ? format.text : undefined,
  });
  const body: JsonObject = {
    model: call.request?.model,
    max_tokens: reasoning.maxTokens,
    system,
    messages,
    tools,
    tool_choice: toolChoice,
    stop_sequences: stopSequences(conversation, params),
    ...encodeSampling(conversation, features, reasoning.on, params),
    thinking: reasoning.thinking,
    output_config: outputConfig(conversation, reasoning, format),
    metadata: userMetadata(conversation),
    service_tier: SERVICE_TIERS[conversation.serviceTier ?? ''],
    ...passedFields(conversation, params),
    stream: conversation.stream ? true : undefined,
  };
  return {
    path: MESSAGES_PATH,
    body,
    headers: {
      'anthropic-version': versionHeader(call.headers, settings.version),
      ...(beta === undefined ? {} : { 'anthropic-beta': beta }),
    },
    dropped: params.dropped,
    createDecoder: () => new MessagesDecoder(names, customToolNames(conversation.tools), format),
  };
}

/** Left out, these would be another request. */
function refuseWhatMustNotBeLost({ choices, logprobs, modalities, audio }: Conversation): void {
  if (choices > 1) throw unsupportedParameter('n', "'n' must be 1: this model gives one answer to a request");
  if (logprobs !== undefined) throw unsupportedParameter('logprobs');
  if (modalities?.includes('audio') === true)
    throw unsupportedParameter('modalities', 'This model does not answer with audio');
  if (audio !== undefined && Object.keys(audio).length > 0) throw unsupportedParameter('audio');
}

function stopSequences({ stop }: Conversation, params: UnsupportedParams): readonly string[] | undefined {
  const usable = stop.filter((text) => text.trim() !== '');
  if (usable.length < stop.length) params.note('stop');
  return usable.length === 0 ? undefined : usable;
}

function outputConfig(
  { extra }: Conversation,
  { effort }: ReasoningPlan,
  format: ResponseFormatPlan,
): JsonObject | undefined {
  const given = isJsonObject(extra.output_config) ? extra.output_config : undefined;
  if (given === undefined && effort === undefined && format.kind !== 'native') return undefined;
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(format.kind === 'native' ? { format: { type: 'json_schema', schema: format.schema } } : {}),
    ...given,
  };
}

/** Anthropic's id of who asks; too long ones stay different from each other. */
function userMetadata({ user, extra }: Conversation): JsonObject | undefined {
  const id = user ?? extra.safety_identifier;
  if (typeof id !== 'string' || id === '') return undefined;
  if (id.length <= MAX_USER_ID_CHARS) return { user_id: id };
  const hash = createHash('sha256').update(id).digest('hex');
  return { user_id: `${id.slice(0, MAX_USER_ID_CHARS - hash.length - 1)}-${hash}` };
}

function passedFields({ extra, modalities }: Conversation, params: UnsupportedParams): JsonObject {
  const passed: JsonObject = {};
  for (const [name, value] of Object.entries(extra)) {
    if (PASSED.has(name)) passed[name] = value;
    else if (!READ_ELSEWHERE.has(name) && !SILENTLY_DROPPED.has(name) && value !== null && value !== false)
      params.drop(name);
  }
  if (modalities?.some((modality) => modality !== 'text') === true) params.drop('modalities');
  return passed;
}
