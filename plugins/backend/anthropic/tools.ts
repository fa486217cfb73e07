import {
  type Conversation,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type ToolDeclaration,
} from '../../../core/api/index.js';
import { customToolSchema } from '../translate/tool-arguments.js';
import type { ToolNames } from '../translate/tool-names.js';
import type { UnsupportedParams } from '../translate/unsupported-params.js';
import type { ModelFeatures } from './model-features.js';
import type { ResponseFormatPlan } from './response-format.js';
import type { AnthropicSettings } from './settings.js';

/** Anthropic's own tools carry a date in their type. */
const ANTHROPIC_TOOL_TYPE = /_20\d{6}$|^mcp_toolset$/;

export interface EncodedTools {
  readonly tools: readonly JsonObject[] | undefined;
  readonly toolChoice: JsonObject | undefined;
}

export interface ToolContext {
  readonly settings: AnthropicSettings;
  readonly features: ModelFeatures;
  readonly names: ToolNames;
  readonly params: UnsupportedParams;
  readonly format: ResponseFormatPlan;
}

export function encodeTools(conversation: Conversation, context: ToolContext): EncodedTools {
  const allowed = allowedTools(conversation);
  const tools = allowed.map((tool) => encodeTool(tool, context));
  const search = webSearchTool(conversation, context);
  if (search !== undefined) tools.push(search);
  const declared = tools.length > 0;
  // Calls in the history need declarations even where nothing may be called.
  if (!declared) tools.push(...declarationsOfHistory(conversation, context.names));
  const { format } = context;
  if (format.kind === 'forced_tool') {
    tools.push({ name: format.name, description: format.description, input_schema: format.schema });
    return { tools, toolChoice: { type: 'tool', name: format.name, disable_parallel_tool_use: true } };
  }
  if (!declared && tools.length > 0) return { tools, toolChoice: { type: 'none' } };
  return { tools: declared ? tools : undefined, toolChoice: encodeToolChoice(conversation, declared, context.names) };
}

/** Whether the model has to call a tool. */
export function forcesTool({ toolChoice }: Conversation): boolean {
  return (
    toolChoice?.mode === 'required' ||
    toolChoice?.mode === 'tool' ||
    (toolChoice?.mode === 'allowed' && toolChoice.required)
  );
}

function allowedTools({ tools, toolChoice }: Conversation): readonly ToolDeclaration[] {
  if (toolChoice?.mode !== 'allowed') return tools;
  const names = new Set(toolChoice.names);
  return tools.filter((tool) => names.has(tool.kind === 'vendor' ? tool.type : tool.name));
}

function encodeTool(tool: ToolDeclaration, { features, names, params }: ToolContext): JsonObject {
  if (tool.kind === 'vendor') {
    if (ANTHROPIC_TOOL_TYPE.test(tool.type)) return tool.data;
    throw new GatewayError('unsupported_tool', `Tools of type '${tool.type}' are not supported by this model`, {
      param: tool.param,
    });
  }
  const head = {
    name: names.toWorker(tool.name),
    ...(tool.description === undefined ? {} : { description: tool.description }),
  };
  if (tool.kind === 'custom') return { ...head, input_schema: customToolSchema(tool.format) };
  const strict = tool.strict === true;
  if (strict && !features.structured_output) params.note('tools.strict');
  return {
    ...head,
    input_schema: inputSchema(tool.parameters, tool.param),
    ...(strict && features.structured_output ? { strict } : {}),
    ...(tool.cacheControl === undefined ? {} : { cache_control: tool.cacheControl }),
  };
}

function inputSchema(parameters: JsonObject | undefined, param: string): JsonObject {
  if (parameters === undefined || Object.keys(parameters).length === 0) return { type: 'object', properties: {} };
  const { type } = parameters;
  if (type === 'object') return parameters;
  if (type === undefined) return { type: 'object', ...parameters };
  throw new GatewayError('invalid_value', `The parameters of a tool must be a schema of type 'object'`, {
    param: `${param}.function.parameters`,
  });
}

function webSearchTool({ webSearch }: Conversation, { settings, params }: ToolContext): JsonObject | undefined {
  if (webSearch === undefined) return undefined;
  if (!settings.map_web_search) {
    params.drop('web_search_options');
    return undefined;
  }
  const location = webSearch.user_location;
  const approximate = isJsonObject(location) ? location.approximate : undefined;
  return {
    type: 'web_search_20250305',
    name: 'web_search',
    ...(isJsonObject(approximate) ? { user_location: { type: 'approximate', ...pickLocation(approximate) } } : {}),
  };
}

function pickLocation({ city, region, country, timezone }: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries({ city, region, country, timezone }).filter(([, value]) => value != null));
}

function declarationsOfHistory({ turns }: Conversation, names: ToolNames): JsonObject[] {
  const called = new Set<string>();
  for (const { role, parts } of turns) {
    if (role === 'assistant')
      for (const part of parts) if (part.kind === 'tool_call') called.add(names.toWorker(part.name));
  }
  return [...called].map((name) => ({ name, input_schema: { type: 'object' } }));
}

function encodeToolChoice(
  { toolChoice, parallelToolCalls }: Conversation,
  declared: boolean,
  names: ToolNames,
): JsonObject | undefined {
  if (!declared) {
    if (toolChoice === undefined || toolChoice.mode === 'none' || toolChoice.mode === 'auto') return undefined;
    const message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  const serial = parallelToolCalls === false ? { disable_parallel_tool_use: true } : undefined;
  switch (toolChoice?.mode) {
    case undefined:
      return serial === undefined ? undefined : { type: 'auto', ...serial };
    case 'none':
      return { type: 'none' };
    case 'auto':
      return { type: 'auto', ...serial };
    case 'required':
      return { type: 'any', ...serial };
    case 'tool':
      return { type: 'tool', name: names.toWorker(toolChoice.name), ...serial };
    case 'allowed':
      return { type: toolChoice.required ? 'any' : 'auto', ...serial };
  }
}
