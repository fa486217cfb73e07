import { type Conversation, GatewayError, type JsonObject, type ToolDeclaration } from '../../../core/api/index.js';
import { customToolSchema } from '../translate/tool-arguments.js';
import { unsupportedParameter } from '../translate/unsupported-params.js';
import { cleanSchema } from './clean-schema.js';
import type { EncodeContext } from './encode-context.js';

/** Google's own tools by the type under which clients ask for them. */
const GOOGLE_TOOLS: Readonly<Record<string, string>> = {
  google_search: 'googleSearch',
  code_execution: 'codeExecution',
  url_context: 'urlContext',
};
/** Web search of other vendors: `web_search`, `web_search_preview`, `web_search_20250305`. */
const WEB_SEARCH = /^web_search(?:_preview)?(?:_\d+)*$/;

export interface EncodedTools {
  readonly tools?: readonly JsonObject[];
  readonly toolConfig?: JsonObject;
}

type FunctionDeclaration = Extract<ToolDeclaration, { kind: 'function' | 'custom' }>;

/** Names of the functions that the model may call. */
export function functionNames(conversation: Conversation): string[] {
  return conversation.tools.filter(isFunction).map(({ name }) => name);
}

/** Declarations and how they may be used. */
export function encodeTools(conversation: Conversation, context: EncodeContext): EncodedTools {
  const functions = chosenFunctions(conversation);
  const tools: JsonObject[] = [];
  if (functions.length > 0) {
    tools.push({ functionDeclarations: functions.map((tool) => declareFunction(tool, context)) });
  }
  tools.push(...googleTools(conversation, functions.length > 0, context));
  const calling = callingConfig(conversation, functions, context);
  return {
    ...(tools.length === 0 ? {} : { tools }),
    ...(calling === undefined ? {} : { toolConfig: { functionCallingConfig: calling } }),
  };
}

/** Whether the model may look things up, so that its answer may name sources. */
export function maySearch({ tools, webSearch, extra }: Conversation): boolean {
  return webSearch !== undefined || extra.cached_content != null || tools.some(({ kind }) => kind === 'vendor');
}

function isFunction(tool: ToolDeclaration): tool is FunctionDeclaration {
  return tool.kind !== 'vendor';
}

/** `allowedFunctionNames` is legal only where a call is forced; else the others are not declared. */
function chosenFunctions({ tools, toolChoice }: Conversation): FunctionDeclaration[] {
  const functions = tools.filter(isFunction);
  if (toolChoice?.mode !== 'allowed' || toolChoice.required) return functions;
  return functions.filter(({ name }) => toolChoice.names.includes(name));
}

function declareFunction(tool: FunctionDeclaration, context: EncodeContext): JsonObject {
  const schema = tool.kind === 'custom' ? customToolSchema(tool.format) : tool.parameters;
  return {
    name: context.names.toWorker(tool.name),
    ...(tool.description === undefined ? {} : { description: tool.description }),
    ...parametersOf(schema, context),
  };
}

function parametersOf(schema: JsonObject | undefined, { features }: EncodeContext): JsonObject {
  // Older models refuse an object without properties.
  if (schema === undefined || isEmptyObject(schema)) return {};
  if (!features.jsonSchema) return { parameters: cleanSchema(schema, 'parameters') };
  if (schema.$schema === undefined) return { parametersJsonSchema: schema };
  const { $schema: _, ...rest } = schema;
  return { parametersJsonSchema: rest };
}

/** Describes an object and none of its properties. */
function isEmptyObject(schema: JsonObject): boolean {
  const { properties } = schema;
  if (typeof properties === 'object' && properties !== null && Object.keys(properties).length > 0) return false;
  return !['$ref', 'anyOf', 'oneOf', 'allOf', 'patternProperties'].some((key) => key in schema);
}

function googleTools(conversation: Conversation, hasFunctions: boolean, context: EncodeContext): JsonObject[] {
  const { settings, features, unsupported } = context;
  const found: JsonObject[] = [];
  for (const tool of conversation.tools) {
    if (tool.kind !== 'vendor') continue;
    const name =
      GOOGLE_TOOLS[tool.type] ?? (settings.map_web_search && WEB_SEARCH.test(tool.type) ? 'googleSearch' : '');
    if (name === '') {
      const message = `The worker of this model has no tool of type '${tool.type}'`;
      throw new GatewayError('unsupported_tool', message, { param: tool.param });
    }
    if (hasFunctions && !features.toolsCombine) throw notCombined(tool.param);
    found.push({ [name]: toolSettings(tool, name) });
  }
  if (conversation.webSearch !== undefined) {
    if (!settings.map_web_search) unsupported.drop('web_search_options');
    else if (hasFunctions && !features.toolsCombine) throw notCombined('web_search_options');
    else if (!found.some((tool) => 'googleSearch' in tool)) found.push({ googleSearch: {} });
  }
  return found;
}

/** Settings stand under the tool's name, in either spelling; those of other vendors' tools are not Google's. */
function toolSettings({ type, data }: Extract<ToolDeclaration, { kind: 'vendor' }>, name: string): unknown {
  return type in GOOGLE_TOOLS ? (data[type] ?? data[name] ?? {}) : {};
}

function notCombined(param: string): GatewayError {
  return unsupportedParameter(param, 'This model cannot use functions and tools of Google in one request');
}

function callingConfig(
  { toolChoice }: Conversation,
  functions: readonly FunctionDeclaration[],
  { names, features }: EncodeContext,
): JsonObject | undefined {
  const mode = toolChoice?.mode ?? 'auto';
  const forced = mode === 'required' || mode === 'tool' || (toolChoice?.mode === 'allowed' && toolChoice.required);
  if (functions.length === 0) {
    if (!forced) return undefined;
    const message = 'A tool call can only be required where functions are declared';
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  if (mode === 'none') return { mode: 'NONE' };
  if (toolChoice?.mode === 'tool' && !functions.some(({ name }) => name === toolChoice.name)) {
    const message = 'The worker of this model can be made to call functions only';
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  if (toolChoice?.mode === 'tool') return { mode: 'ANY', allowedFunctionNames: [names.toWorker(toolChoice.name)] };
  if (toolChoice?.mode === 'allowed' && forced) {
    return { mode: 'ANY', allowedFunctionNames: toolChoice.names.map((name) => names.toWorker(name)) };
  }
  if (forced) return { mode: 'ANY' };
  const strict = functions.some((tool) => tool.kind === 'function' && tool.strict === true);
  if (strict && features.validatedCalls) return { mode: 'VALIDATED' };
  return toolChoice === undefined ? undefined : { mode: 'AUTO' };
}
