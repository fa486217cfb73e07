import type {
  Conversation,
  Part,
  ReasoningEffort,
  ReasoningRequest,
  ResponseFormat,
  ToolDeclaration,
  ToolResultPart,
  Turn,
} from '../../../core/api/conversation.js';
import { REASONING_EFFORTS } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import type { JsonObject } from '../../../core/api/inference.js';
import {
  invalidValue,
  missingParameter,
  objectsOf,
  optionalArray,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  present,
  requiredObject,
  requiredString,
  stringsOf,
  unknownValue,
} from '../json-fields.js';
import { readContent } from './blocks.js';
import { MAX_TOKENS_TOO_SMALL, NO_MESSAGES, refused } from './envelope.js';
import { readToolChoice, readTools } from './tools.js';

/** Top-level fields that a {@link Conversation} has a place for, and those that decide nothing below the gateway. */
const READ_FIELDS: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'max_tokens',
  'system',
  'metadata',
  'service_tier',
  'stop_sequences',
  'stream',
  'temperature',
  'top_k',
  'top_p',
  'thinking',
  'tools',
  'tool_choice',
  'output_config',
  'output_format',
  'container',
  'mcp_servers',
  'thread',
]);

/** Least `budget_tokens` of `thinking`, the vendor's. */
const MIN_THINKING_BUDGET = 1024;

/** Reads the body of `POST /v1/messages` for a worker that speaks another dialect. */
export function readMessagesConversation(body: JsonObject, stream: boolean): Conversation {
  const maxTokens = optionalInteger(body, 'max_tokens', '');
  if (maxTokens === undefined) throw missingParameter('max_tokens');
  if (maxTokens < 1) throw refused('max_tokens', MAX_TOKENS_TOO_SMALL);
  return readConversation(body, stream, maxTokens);
}

/** Reads the body of `POST /v1/messages/count_tokens`, which is the same but for the length of an answer. */
export function readCountedConversation(body: JsonObject): Conversation {
  return readConversation(body, false, undefined);
}

function readConversation(body: JsonObject, stream: boolean, maxTokens: number | undefined): Conversation {
  const tools = readTools(body);
  refuseConnectors(body, tools);
  const choice = readToolChoice(body, tools);
  const reasoning = readReasoning(body, maxTokens);
  const mode = choice.toolChoice?.mode;
  if (reasoning?.mode === 'enabled' && (mode === 'required' || mode === 'tool')) {
    throw invalidValue('tool_choice', "it must be 'auto' or 'none' when thinking is enabled");
  }
  const metadata = optionalObject(body, 'metadata', '') ?? {};
  return {
    turns: [...readSystem(body.system), ...readTurns(body)],
    tools,
    ...choice,
    sampling: present({
      temperature: optionalNumber(body, 'temperature', ''),
      topP: optionalNumber(body, 'top_p', ''),
      topK: optionalInteger(body, 'top_k', '', 0),
    }),
    stop: stringsOf(optionalArray(body, 'stop_sequences', '') ?? [], 'stop_sequences'),
    choices: 1,
    ...present({
      maxTokens,
      reasoning,
      responseFormat: readFormat(body),
      user: optionalString(metadata, 'user_id', 'metadata'),
      serviceTier: readServiceTier(body),
    }),
    stream,
    extra: Object.fromEntries(Object.entries(body).filter(([name]) => !READ_FIELDS.has(name))),
  };
}

/** What runs at the vendor: no other worker can do it, and leaving it out would change what the request means. */
function refuseConnectors(body: JsonObject, tools: readonly ToolDeclaration[]): void {
  const servers = optionalArray(body, 'mcp_servers', '') ?? [];
  const hasToolset = tools.some((tool) => tool.kind === 'vendor' && tool.type === 'mcp_toolset');
  if (hasToolset && servers.length === 0) {
    throw refused('mcp_servers', 'mcp_servers is required when mcp_toolset tools are present');
  }
  if (servers.length > 0) throw unsupported('mcp_servers');
  // Of a thread the vendor keeps the history, and the next request has only what is new.
  for (const field of ['container', 'thread']) if ((body[field] ?? undefined) !== undefined) throw unsupported(field);
}

function unsupported(param: string): GatewayError {
  const message = `'${param}' is not supported by the workers of this model`;
  return new GatewayError('unsupported_parameter', message, { param });
}

function readSystem(system: unknown): Turn[] {
  if (system === undefined || system === null) return [];
  return [{ role: 'system', parts: readContent(system, 'system', 'system'), param: 'system' }];
}

function readTurns(body: JsonObject): Turn[] {
  const messages = optionalArray(body, 'messages', '') ?? [];
  if (messages.length === 0) throw refused('messages', NO_MESSAGES);
  return objectsOf(messages, 'messages').flatMap(([message, param]) => {
    const role = requiredString(message, 'role', param);
    if (role !== 'user' && role !== 'assistant' && role !== 'system') {
      throw unknownValue(`${param}.role`, role, ['user', 'assistant', 'system']);
    }
    if ((message.content ?? undefined) === undefined) throw missingParameter(`${param}.content`);
    return turnsOf(role, readContent(message.content, role, `${param}.content`), param);
  });
}

/** The results of tools in a message are a turn of their own, before what else it says. */
function turnsOf(role: 'user' | 'assistant' | 'system', parts: readonly Part[], param: string): Turn[] {
  const results = parts.filter((part): part is ToolResultPart => part.kind === 'tool_result');
  if (results.length === 0) return [{ role, parts, param }];
  const rest = parts.filter((part) => part.kind !== 'tool_result');
  const turn: Turn = { role: 'tool', parts: results, param };
  return rest.length === 0 ? [turn] : [turn, { role, parts: rest, param }];
}

function readReasoning(body: JsonObject, maxTokens: number | undefined): ReasoningRequest | undefined {
  const effort = readEffort(optionalObject(body, 'output_config', '') ?? {});
  const thinking = optionalObject(body, 'thinking', '');
  if (thinking === undefined) return effort === undefined ? undefined : { effort };
  const mode = requiredString(thinking, 'type', 'thinking');
  if (mode !== 'enabled' && mode !== 'disabled' && mode !== 'adaptive') {
    throw unknownValue('thinking.type', mode, ['enabled', 'disabled', 'adaptive']);
  }
  const budgetTokens = mode === 'enabled' ? readBudget(thinking, maxTokens) : undefined;
  return { mode, thinking, ...present({ effort, budgetTokens }) };
}

function readBudget(thinking: JsonObject, maxTokens: number | undefined): number {
  const budget = optionalInteger(thinking, 'budget_tokens', 'thinking', MIN_THINKING_BUDGET);
  if (budget === undefined) throw missingParameter('thinking.budget_tokens');
  if (maxTokens !== undefined && budget >= maxTokens) {
    throw refused('max_tokens', 'max_tokens must be greater than thinking.budget_tokens');
  }
  return budget;
}

function readEffort(config: JsonObject): ReasoningEffort | undefined {
  const effort = optionalString(config, 'effort', 'output_config');
  if (effort === undefined) return undefined;
  const known = REASONING_EFFORTS.find((candidate) => candidate === effort);
  if (known === undefined) throw unknownValue('output_config.effort', effort, REASONING_EFFORTS);
  return known;
}

/** `output_config.format`; `output_format` is what its beta called it. */
function readFormat(body: JsonObject): ResponseFormat | undefined {
  const own = optionalObject(optionalObject(body, 'output_config', '') ?? {}, 'format', 'output_config');
  const format = own ?? optionalObject(body, 'output_format', '');
  if (format === undefined) return undefined;
  const param = own === undefined ? 'output_format' : 'output_config.format';
  const type = requiredString(format, 'type', param);
  if (type !== 'json_schema') throw unknownValue(`${param}.type`, type, ['json_schema']);
  return { kind: 'json_schema', name: 'output', schema: requiredObject(format, 'schema', param), strict: true };
}

/** In OpenAI's words, which a {@link Conversation} uses. */
function readServiceTier(body: JsonObject): string | undefined {
  const tier = optionalString(body, 'service_tier', '');
  if (tier === undefined || tier === 'auto') return tier;
  if (tier === 'standard_only') return 'default';
  throw unknownValue('service_tier', tier, ['auto', 'standard_only']);
}
