import type { JsonObject, ToolCallPart, ToolDeclaration } from '../../../core/api/index.js';
import { argumentsObject } from '../../../core/inference/call-arguments.js';

/** Name of the one argument that stands for the text of a `custom` tool in dialects whose tools take objects. */
export const CUSTOM_TOOL_INPUT = 'input';

/**
 * The arguments of a call in history as the object that other dialects want. Never refused: what a model once wrote must
 * not make a conversation unusable.
 */
export function toolArguments(call: ToolCallPart): JsonObject {
  return call.custom === true ? { [CUSTOM_TOOL_INPUT]: call.arguments } : argumentsObject(call.arguments);
}

/** Names of the tools that take text. */
export function customToolNames(tools: readonly ToolDeclaration[]): ReadonlySet<string> {
  return new Set(tools.flatMap((tool) => (tool.kind === 'custom' ? [tool.name] : [])));
}

/** Schema of a `custom` tool's arguments: one text, with what OpenAI's `format` says about it as a hint. */
export function customToolSchema(format: JsonObject | undefined): JsonObject {
  const description = formatHint(format);
  return {
    type: 'object',
    properties: { [CUSTOM_TOOL_INPUT]: { type: 'string', ...(description === undefined ? {} : { description }) } },
    required: [CUSTOM_TOOL_INPUT],
  };
}

/** The text of a `custom` tool's call from the arguments that {@link customToolSchema} asked for. */
export function customToolInput(input: unknown): string {
  const text = (input as JsonObject | null | undefined)?.[CUSTOM_TOOL_INPUT];
  return typeof text === 'string' ? text : JSON.stringify(input ?? {});
}

/** Chat nests the grammar in an object of its name, Responses does not. */
function formatHint(format: JsonObject | undefined): string | undefined {
  if (format?.type !== 'grammar') return undefined;
  const { syntax, definition } = (format.grammar ?? format) as { syntax?: unknown; definition?: unknown };
  if (typeof definition !== 'string') return undefined;
  return `Text that matches this ${typeof syntax === 'string' ? `${syntax} ` : ''}grammar:\n${definition}`;
}
