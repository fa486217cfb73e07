import type { ToolChoice, ToolDeclaration } from '../../../core/api/conversation.js';
import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import {
  invalidType,
  invalidValue,
  memberPath,
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

/** `tools`, else the deprecated `functions`; and what developer messages declare. */
export function readTools(body: JsonObject): ToolDeclaration[] {
  const tools = objectsOf(optionalArray(body, 'tools', '') ?? [], 'tools').map(([tool, path]) => readTool(tool, path));
  if (tools.length === 0) {
    for (const [declared, path] of objectsOf(optionalArray(body, 'functions', '') ?? [], 'functions')) {
      tools.push(readFunction(declared, path, path, undefined));
    }
  }
  for (const [index, message] of ((body.messages as readonly unknown[] | undefined) ?? []).entries()) {
    if (!isJsonObject(message) || message.role !== 'developer') continue;
    const path = `messages[${index}]`;
    for (const [tool, param] of objectsOf(optionalArray(message, 'tools', path) ?? [], `${path}.tools`)) {
      tools.push(readTool(tool, param));
    }
  }
  return tools;
}

function readTool(tool: JsonObject, param: string): ToolDeclaration {
  const type = requiredString(tool, 'type', param);
  if (type === 'function') {
    const path = memberPath(param, 'function');
    return readFunction(
      requiredObject(tool, 'function', param),
      path,
      param,
      optionalObject(tool, 'cache_control', param),
    );
  }
  if (type !== 'custom') return { kind: 'vendor', type, data: tool, param };
  const custom = requiredObject(tool, 'custom', param);
  const path = memberPath(param, 'custom');
  const description = optionalString(custom, 'description', path);
  const format = optionalObject(custom, 'format', path);
  return { kind: 'custom', name: readName(custom, path), param, ...present({ description, format }) };
}

function readFunction(
  declared: JsonObject,
  path: string,
  param: string,
  mark: JsonObject | undefined,
): ToolDeclaration {
  const description = optionalString(declared, 'description', path);
  const parameters = optionalObject(declared, 'parameters', path);
  const strict = optionalBoolean(declared, 'strict', path);
  const cacheControl = mark ?? optionalObject(declared, 'cache_control', path);
  const optional = present({ description, parameters, strict, cacheControl });
  return { kind: 'function', name: readName(declared, path), param, ...optional };
}

function readName(declared: JsonObject, path: string): string {
  const name = requiredString(declared, 'name', path);
  if (name === '') throw invalidValue(memberPath(path, 'name'), 'it must not be empty');
  return name;
}

/** `tool_choice`, else the deprecated `function_call`, checked against the declared tools. */
export function readToolChoice(body: JsonObject, tools: readonly ToolDeclaration[]): ToolChoice | undefined {
  const current = body.tool_choice ?? undefined;
  const [name, choice] =
    current === undefined
      ? (['function_call', body.function_call ?? undefined] as const)
      : (['tool_choice', current] as const);
  if (choice === undefined) return undefined;
  if (choice === 'none') return { mode: 'none' };
  const declaredIn = name === 'tool_choice' ? 'tools' : 'functions';
  if (tools.length === 0) {
    throw invalidValue(name, `'${name}' is only allowed when '${declaredIn}' are specified.`);
  }
  if (choice === 'auto' || (choice === 'required' && name === 'tool_choice')) return { mode: choice };
  if (typeof choice === 'string') throw unknownValue(name, choice, ['none', 'auto', 'required']);
  if (!isJsonObject(choice)) throw invalidType(name, 'a string or an object', choice);
  if (name === 'function_call') return named(requiredString(choice, 'name', name), tools, name, declaredIn);
  return readChosen(choice, tools);
}

const CHOICE_TYPES = ['function', 'custom', 'allowed_tools'] as const;

function readChosen(choice: JsonObject, tools: readonly ToolDeclaration[]): ToolChoice {
  const type = requiredString(choice, 'type', 'tool_choice');
  if (type === 'function' || type === 'custom') {
    return named(nameIn(choice, type, 'tool_choice'), tools, 'tool_choice', 'tools');
  }
  if (type !== 'allowed_tools') throw unknownValue('tool_choice.type', type, CHOICE_TYPES);
  // OpenAI nests what others put beside the type.
  const nested = optionalObject(choice, 'allowed_tools', 'tool_choice');
  const [allowed, path] = nested === undefined ? [choice, 'tool_choice'] : [nested, 'tool_choice.allowed_tools'];
  const mode = requiredString(allowed, 'mode', path);
  if (mode !== 'auto' && mode !== 'required') {
    throw invalidValue(`${path}.mode`, `must be 'auto' or 'required', got '${mode}'.`);
  }
  const names = objectsOf(optionalArray(allowed, 'tools', path) ?? [], `${path}.tools`).map(([tool, param]) => {
    const toolType = optionalString(tool, 'type', param) ?? 'function';
    const name = nameIn(tool, toolType, param);
    if (!isDeclared(name, tools)) throw invalidValue(`${path}.tools`, `tool '${name}' not found in 'tools'.`);
    return name;
  });
  if (names.length === 0) throw invalidValue(`${path}.tools`, 'it must not be empty');
  return { mode: 'allowed', required: mode === 'required', names };
}

/** `{ type, <type>: { name } }`, or `{ type, name }` as in the Responses API. */
function nameIn(tool: JsonObject, type: string, path: string): string {
  const inner = optionalObject(tool, type, path);
  return inner === undefined ? requiredString(tool, 'name', path) : requiredString(inner, 'name', `${path}.${type}`);
}

function named(name: string, tools: readonly ToolDeclaration[], param: string, declaredIn: string): ToolChoice {
  if (!isDeclared(name, tools)) throw invalidValue(param, `function '${name}' not found in '${declaredIn}'.`);
  return { mode: 'tool', name };
}

function isDeclared(name: string, tools: readonly ToolDeclaration[]): boolean {
  return tools.some((tool) => (tool.kind === 'vendor' ? tool.type : tool.name) === name);
}
