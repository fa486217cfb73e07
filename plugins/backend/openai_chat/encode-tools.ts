import { type Conversation, GatewayError, type JsonObject, type ToolDeclaration } from '../../../core/api/index.js';
import { customToolNames, customToolSchema } from '../translate/tool-arguments.js';
import type { EncodeContext } from './encode-messages.js';
import type { ChatFlavour } from './flavour.js';

/** Custom tools that the worker knows as functions with one argument, by the client's name. */
export function wrappedTools(conversation: Conversation, flavour: ChatFlavour): ReadonlySet<string> {
  if (flavour.kind === 'openai') return new Set();
  return customToolNames(conversation.tools);
}

/** `tools`, `tool_choice`, `parallel_tool_calls`; nothing without tools, where chat refuses the other two. */
export function encodeTools(conversation: Conversation, context: EncodeContext): JsonObject {
  const { toolChoice: choice, parallelToolCalls } = conversation;
  const narrowed = choice?.mode === 'allowed' && context.flavour.kind !== 'openai' ? new Set(choice.names) : undefined;
  const declared = conversation.tools.filter(
    (tool) => narrowed === undefined || tool.kind === 'vendor' || narrowed.has(tool.name),
  );
  const tools = declared.map((tool) => encodeTool(tool, context));
  if (tools.length === 0) return {};
  const chosen = encodeChoice(conversation, context);
  return {
    tools,
    ...(chosen === undefined ? {} : { tool_choice: chosen }),
    ...(parallelToolCalls === undefined ? {} : { parallel_tool_calls: parallelToolCalls }),
  };
}

function encodeTool(tool: ToolDeclaration, { flavour, names }: EncodeContext): JsonObject {
  if (tool.kind === 'vendor') {
    const message = `The worker of this model does not support tools of type '${tool.type}'`;
    throw new GatewayError('unsupported_tool', message, { param: tool.param });
  }
  const name = names.toWorker(tool.name);
  const described = tool.description === undefined ? {} : { description: tool.description };
  if (tool.kind === 'custom') {
    const { format } = tool;
    if (flavour.kind === 'openai') {
      return { type: 'custom', custom: { name, ...described, ...(format === undefined ? {} : { format }) } };
    }
    return { type: 'function', function: { name, ...described, parameters: customToolSchema(format) } };
  }
  const { parameters, strict } = tool;
  return {
    type: 'function',
    function: {
      name,
      ...described,
      ...(parameters === undefined ? {} : { parameters }),
      ...(strict === undefined ? {} : { strict }),
    },
  };
}

function encodeChoice(conversation: Conversation, context: EncodeContext): unknown {
  const choice = conversation.toolChoice;
  if (choice === undefined) return undefined;
  if (choice.mode === 'tool') return reference(choice.name, conversation, context);
  if (choice.mode !== 'allowed') return choice.mode;
  const mode = choice.required ? 'required' : 'auto';
  if (context.flavour.kind !== 'openai') return mode;
  const tools = choice.names.map((name) => reference(name, conversation, context));
  return { type: 'allowed_tools', allowed_tools: { mode, tools } };
}

function reference(name: string, { tools }: Conversation, { flavour, names }: EncodeContext): JsonObject {
  const isCustom = tools.some((tool) => tool.kind === 'custom' && tool.name === name);
  const type = isCustom && flavour.kind === 'openai' ? 'custom' : 'function';
  return { type, [type]: { name: names.toWorker(name) } };
}
