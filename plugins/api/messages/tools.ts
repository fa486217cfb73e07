import type { ToolChoice, ToolDeclaration } from '../../../core/api/conversation.js';
import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import {
  invalidValue,
  objectsOf,
  optionalArray,
  optionalBoolean,
  optionalObject,
  optionalString,
  present,
  requiredObject,
  requiredString,
  unknownValue,
} from '../json-fields.js';

const CHOICE = 'tool_choice';

/**
 * Tools of a request. Bash and the text editor run at the client and have a fixed schema: to any other model they are
 * functions. Other typed tools stay the vendor's; a dialect takes those it has and refuses the rest.
 */
export function readTools(body: JsonObject): ToolDeclaration[] {
  return objectsOf(optionalArray(body, 'tools', '') ?? [], 'tools').map(([tool, param]) => {
    const type = optionalString(tool, 'type', param) ?? 'custom';
    const cacheControl = optionalObject(tool, 'cache_control', param);
    if (type === 'custom') return { ...customTool(tool, param), ...present({ cacheControl }), param };
    const parameters = clientToolSchema(type);
    if (parameters === undefined) return { kind: 'vendor', type, data: tool, param };
    const name = requiredString(tool, 'name', param);
    return { kind: 'function', name, parameters, ...present({ cacheControl }), param };
  });
}

function customTool(tool: JsonObject, param: string) {
  return {
    kind: 'function' as const,
    name: requiredString(tool, 'name', param),
    parameters: requiredObject(tool, 'input_schema', param),
    ...present({
      description: optionalString(tool, 'description', param),
      strict: optionalBoolean(tool, 'strict', param),
    }),
  };
}

const text = { type: 'string' } as const;

/** Input of the client-side tools, as their vendor documents it. */
function clientToolSchema(type: string): JsonObject | undefined {
  if (/^bash_\d+$/.test(type)) {
    return { type: 'object', properties: { command: text, restart: { type: 'boolean' } } };
  }
  const editor = /^text_editor_(\d+)$/.exec(type);
  if (editor === null) return undefined;
  // Until early 2025 the editor could undo, and called the text to insert `new_str`.
  const isOld = Number(editor[1]) < 20250429;
  const commands = ['view', 'create', 'str_replace', 'insert', ...(isOld ? ['undo_edit'] : [])];
  return {
    type: 'object',
    properties: {
      command: { type: 'string', enum: commands },
      path: text,
      view_range: { type: 'array', items: { type: 'integer' } },
      file_text: text,
      old_str: text,
      new_str: text,
      insert_line: { type: 'integer' },
      ...(isOld ? {} : { insert_text: text }),
    },
    required: ['command', 'path'],
  };
}

export interface ToolChoiceFields {
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
}

/** `tool_choice`, checked against the tools that there are. */
export function readToolChoice(body: JsonObject, tools: readonly ToolDeclaration[]): ToolChoiceFields {
  const choice = optionalObject(body, CHOICE, '');
  if (choice === undefined) return {};
  const type = requiredString(choice, 'type', CHOICE);
  if (type !== 'none' && tools.length === 0) {
    throw invalidValue(CHOICE, "'tool_choice' is only allowed when 'tools' are specified.");
  }
  const isDisabled = optionalBoolean(choice, 'disable_parallel_tool_use', CHOICE) === true;
  return { toolChoice: toolChoice(type, choice, tools), ...(isDisabled ? { parallelToolCalls: false } : {}) };
}

function toolChoice(type: string, choice: JsonObject, tools: readonly ToolDeclaration[]): ToolChoice {
  switch (type) {
    case 'auto':
    case 'none':
      return { mode: type };
    case 'any':
      return { mode: 'required' };
    case 'tool': {
      const name = requiredString(choice, 'name', CHOICE);
      if (tools.some((tool) => isNamed(tool, name))) return { mode: 'tool', name };
      throw invalidValue(CHOICE, `tool '${name.slice(0, 100)}' not found in 'tools'.`);
    }
    default:
      throw unknownValue(`${CHOICE}.type`, type, ['auto', 'any', 'tool', 'none']);
  }
}

/** A toolset has every name that is not switched off in it. */
function isNamed(tool: ToolDeclaration, name: string): boolean {
  if (tool.kind !== 'vendor') return tool.name === name;
  if (tool.type !== 'mcp_toolset') return tool.data.name === name;
  const { configs, default_config: byDefault } = tool.data;
  const own = isJsonObject(configs) ? configs[name] : undefined;
  const enabled = isJsonObject(own) ? own.enabled : undefined;
  return (enabled ?? (isJsonObject(byDefault) ? byDefault.enabled : undefined) ?? true) === true;
}
