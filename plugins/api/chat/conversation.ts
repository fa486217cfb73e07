import {
  type Conversation,
  REASONING_EFFORTS,
  type ReasoningEffort,
  type ReasoningRequest,
  type ResponseFormat,
} from '../../../core/api/conversation.js';
import type { JsonObject } from '../../../core/api/inference.js';
import {
  invalidValue,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalObject,
  optionalString,
  present,
  requiredObject,
  requiredString,
  stringsOf,
  unknownValue,
} from '../json-fields.js';
import { readShared } from '../openai-request.js';
import { readToolChoice, readTools } from './tools.js';
import { readTurns } from './turns.js';

/** Fields that a {@link Conversation} stands for, or that only say how the answer is framed. */
const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'functions',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'max_completion_tokens',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'stop',
  'n',
  'logprobs',
  'top_logprobs',
  'reasoning_effort',
  'thinking',
  'response_format',
  'modalities',
  'audio',
  'web_search_options',
  'user',
  'safety_identifier',
  'service_tier',
]);

/**
 * Reads the body of a chat completion request: OpenAI's, its deprecated forms, and the extensions of engines and of this
 * gateway (`thinking_blocks`, `reasoning_content`, `is_error`, `cache_control`). Throws GatewayError with the field's path.
 */
export function readChatConversation(body: JsonObject, stream: boolean): Conversation {
  const shared = readShared(body, stream, KNOWN);
  const turns = readTurns(body);
  const tools = readTools(body);
  const optional = present({
    toolChoice: readToolChoice(body, tools),
    parallelToolCalls: optionalBoolean(body, 'parallel_tool_calls', ''),
    maxTokens: optionalInteger(body, 'max_completion_tokens', '', 1) ?? optionalInteger(body, 'max_tokens', '', 1),
    logprobs: readLogprobs(body),
    reasoning: readReasoning(body),
    responseFormat: readResponseFormat(body),
    modalities: readModalities(body),
    audio: optionalObject(body, 'audio', ''),
    webSearch: optionalObject(body, 'web_search_options', ''),
    user: optionalString(body, 'user', '') ?? optionalString(body, 'safety_identifier', ''),
    serviceTier: optionalString(body, 'service_tier', ''),
  });
  return {
    turns,
    tools,
    ...shared,
    ...optional,
  };
}

function readLogprobs(body: JsonObject): Conversation['logprobs'] {
  const wanted = optionalBoolean(body, 'logprobs', '');
  const top = optionalInteger(body, 'top_logprobs', '', 0);
  if (wanted === true) return { top: top ?? 0 };
  if (top !== undefined) throw invalidValue('top_logprobs', "it is only allowed when 'logprobs' is true");
  return undefined;
}

const THINKING_MODES = ['enabled', 'disabled', 'adaptive'] as const;

/** `reasoning_effort`, and the extension `thinking`, which says the same in Anthropic's words. */
function readReasoning(body: JsonObject): ReasoningRequest | undefined {
  const effort = optionalString(body, 'reasoning_effort', '');
  if (effort !== undefined && !isEffort(effort)) throw unknownValue('reasoning_effort', effort, REASONING_EFFORTS);
  const thinking = optionalObject(body, 'thinking', '');
  if (thinking === undefined) return effort === undefined ? undefined : { effort };
  const type = optionalString(thinking, 'type', 'thinking');
  const mode = THINKING_MODES.find((known) => known === type);
  const budgetTokens = optionalInteger(thinking, 'budget_tokens', 'thinking', 0);
  return present({ effort, mode, budgetTokens, thinking });
}

function isEffort(text: string): text is ReasoningEffort {
  return (REASONING_EFFORTS as readonly string[]).includes(text);
}

const FORMATS = ['text', 'json_object', 'json_schema'] as const;

function readResponseFormat(body: JsonObject): ResponseFormat | undefined {
  const format = optionalObject(body, 'response_format', '');
  if (format === undefined) return undefined;
  const type = requiredString(format, 'type', 'response_format');
  if (type === 'text') return undefined;
  if (type === 'json_object') return { kind: 'json_object' };
  if (type !== 'json_schema') throw unknownValue('response_format.type', type, FORMATS);
  const path = 'response_format.json_schema';
  const described = requiredObject(format, 'json_schema', 'response_format');
  const name = requiredString(described, 'name', path);
  if (name === '') throw invalidValue(`${path}.name`, 'it must not be empty');
  return {
    kind: 'json_schema',
    name,
    schema: optionalObject(described, 'schema', path) ?? {},
    strict: optionalBoolean(described, 'strict', path) ?? false,
    ...present({ description: optionalString(described, 'description', path) }),
  };
}

function readModalities(body: JsonObject): readonly string[] | undefined {
  const list = optionalArray(body, 'modalities', '');
  return list === undefined ? undefined : stringsOf(list, 'modalities').map((name) => name.toLowerCase());
}
