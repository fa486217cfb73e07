import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import { RequestRejected } from './rejection.js';

/** A tool that the request offers, whatever its dialect. */
export interface OfferedTool {
  readonly name: string;
  /** JSON Schema of its arguments. */
  readonly parameters: JsonObject;
}

/** How free the model is: `auto` by the trigger word, `required` any, or one by name. */
export type ToolChoice = 'none' | 'auto' | 'required' | { readonly name: string };

/** A tool call as it will be written. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: string;
}

/** Sample values by property name, so that answers read well. */
const SAMPLES: Readonly<Record<string, string>> = {
  city: 'Paris',
  location: 'Paris',
  zone: 'Europe/Paris',
  unit: 'celsius',
};
const MAX_DEPTH = 5;

/**
 * Decides which tools are called. In `auto`, a prompt whose last user text has the word `trigger` calls the first one,
 * and with the word `both` all of them. Throws RequestRejected for a named tool that is not offered.
 */
export function chooseToolCalls(
  tools: readonly OfferedTool[],
  choice: ToolChoice,
  lastUserText: string,
  trigger: string,
): ToolCall[] {
  if (typeof choice === 'object') {
    const named = tools.find((tool) => tool.name === choice.name);
    if (named !== undefined) return [callOf(named)];
    throw new RequestRejected(
      400,
      'The tool specified in `tool_choice` does not match any of the specified `tools`',
      'tool_choice',
    );
  }
  const first = tools[0];
  if (first === undefined || choice === 'none') return [];
  const words = lastUserText.toLowerCase();
  if (words.includes('both')) return tools.map(callOf);
  if (choice === 'required' || (trigger !== '' && words.includes(trigger.toLowerCase()))) return [callOf(first)];
  return [];
}

function callOf(tool: OfferedTool): ToolCall {
  return { name: tool.name, arguments: JSON.stringify(sampleOf(tool.parameters, 'argument', 0)) };
}

/** A value that fits a JSON Schema, for the types that tools use. */
function sampleOf(schema: unknown, name: string, depth: number): unknown {
  if (!isJsonObject(schema) || depth > MAX_DEPTH) return null;
  if (Array.isArray(schema.enum)) return schema.enum[0] as unknown;
  if (schema.const !== undefined) return schema.const;
  const type = Array.isArray(schema.type) ? (schema.type[0] as unknown) : schema.type;
  if (type === 'string') return SAMPLES[name] ?? name;
  if (type === 'integer' || type === 'number') return typeof schema.minimum === 'number' ? schema.minimum : 1;
  if (type === 'boolean') return true;
  if (type === 'array') return [sampleOf(schema.items, name, depth + 1)];
  if (type === 'null') return null;
  const properties = isJsonObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : Object.keys(properties);
  const value: JsonObject = {};
  for (const key of required) if (typeof key === 'string') value[key] = sampleOf(properties[key], key, depth + 1);
  return value;
}
