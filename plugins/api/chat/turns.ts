import type { Part, ToolCallPart, Turn } from '../../../core/api/conversation.js';
import type { JsonObject } from '../../../core/api/inference.js';
import {
  invalidValue,
  memberPath,
  missingParameter,
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
import { ASSISTANT_PARTS, MEDIA_PARTS, readContent, readImage, TEXT_PARTS } from './content-parts.js';

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const;

/** `messages`, each as one turn. */
export function readTurns(body: JsonObject): Turn[] {
  const messages = optionalArray(body, 'messages', '');
  if (messages === undefined) throw missingParameter('messages');
  if (messages.length === 0) throw invalidValue('messages', 'it must not be empty');
  const functionCalls = new FunctionCalls();
  return objectsOf(messages, 'messages').map(([message, param], index) =>
    readTurn(message, param, index, functionCalls),
  );
}

/**
 * The deprecated `function_call`s have no ids: each gets one from the place of its message, and the next result of that
 * name answers it.
 */
class FunctionCalls {
  readonly #open: { readonly id: string; readonly name: string }[] = [];

  begin(index: number, name: string): string {
    const id = functionCallId(index);
    this.#open.push({ id, name });
    return id;
  }

  /** Id of the call that a result at `index` answers; one of its own where nothing called. */
  end(index: number, name: string): string {
    const at = this.#open.findIndex((call) => call.name === name);
    return at === -1 ? functionCallId(index) : (this.#open.splice(at, 1)[0]?.id ?? functionCallId(index));
  }
}

function functionCallId(index: number): string {
  return `toolu_fn_${index}`;
}

function readTurn(message: JsonObject, param: string, index: number, functionCalls: FunctionCalls): Turn {
  const role = requiredString(message, 'role', param);
  const named = present({ name: optionalString(message, 'name', param) });
  switch (role) {
    case 'system':
    case 'developer':
      return { role: 'system', parts: marked(message, param, required(message, param, TEXT_PARTS)), param, ...named };
    case 'user':
      return { role: 'user', parts: marked(message, param, required(message, param, MEDIA_PARTS)), param, ...named };
    case 'assistant':
      return { role: 'assistant', parts: readAssistant(message, param, index, functionCalls), param, ...named };
    case 'tool':
      return readToolResult(message, param, requiredString(message, 'tool_call_id', param));
    case 'function': {
      const name = requiredString(message, 'name', param);
      return readToolResult(message, param, functionCalls.end(index, name));
    }
    default:
      throw unknownValue(memberPath(param, 'role'), role, ROLES);
  }
}

/** Content that must be there, empty or not. */
function required(message: JsonObject, param: string, allowed: Parameters<typeof readContent>[2]): Part[] {
  if ((message.content ?? undefined) === undefined) throw missingParameter(memberPath(param, 'content'));
  return readContent(message, param, allowed);
}

/** A cache mark on the message stands for one on its last part. */
function marked(message: JsonObject, param: string, parts: Part[]): Part[] {
  const cacheControl = optionalObject(message, 'cache_control', param);
  const last = parts.at(-1);
  if (cacheControl !== undefined && last !== undefined) parts[parts.length - 1] = { ...last, cacheControl };
  return parts;
}

function readToolResult(message: JsonObject, param: string, callId: string): Turn {
  const isError = optionalBoolean(message, 'is_error', param);
  const cacheControl = optionalObject(message, 'cache_control', param);
  const name = optionalString(message, 'name', param);
  const content = readContent(message, param, MEDIA_PARTS);
  return {
    role: 'tool',
    parts: [{ kind: 'tool_result', callId, content, param, ...present({ name, isError, cacheControl }) }],
    param,
  };
}

/** Thoughts, texts, refusal, images, calls: the order in which an answer has them. */
function readAssistant(message: JsonObject, param: string, index: number, functionCalls: FunctionCalls): Part[] {
  const parts: Part[] = readReasoning(message, param);
  const content = readContent(message, param, ASSISTANT_PARTS);
  for (const part of marked(message, param, content)) parts.push(part);
  const refusal = optionalString(message, 'refusal', param);
  if (refusal !== undefined) parts.push({ kind: 'refusal', text: refusal, param: memberPath(param, 'refusal') });
  const images = memberPath(param, 'images');
  for (const [image, path] of objectsOf(optionalArray(message, 'images', param) ?? [], images)) {
    parts.push(readImage(image, path));
  }
  const audio = optionalObject(message, 'audio', param);
  if (audio !== undefined) {
    parts.push({ kind: 'vendor', vendor: 'openai', data: { audio }, param: memberPath(param, 'audio') });
  }
  const calls = memberPath(param, 'tool_calls');
  for (const [call, path] of objectsOf(optionalArray(message, 'tool_calls', param) ?? [], calls)) {
    parts.push(readToolCall(call, path));
  }
  const functionCall = optionalObject(message, 'function_call', param);
  if (functionCall !== undefined) {
    const path = memberPath(param, 'function_call');
    const name = requiredString(functionCall, 'name', path);
    const id = functionCalls.begin(index, name);
    const text = optionalString(functionCall, 'arguments', path) ?? '';
    parts.push({ kind: 'tool_call', id, name, arguments: text, param: path });
  }
  return parts;
}

/** `thinking_blocks`, our extension, else the text of `reasoning_content` (or `reasoning`), which nobody signed. */
function readReasoning(message: JsonObject, param: string): Part[] {
  const path = memberPath(param, 'thinking_blocks');
  const blocks = objectsOf(optionalArray(message, 'thinking_blocks', param) ?? [], path);
  if (blocks.length > 0) return blocks.map(([block, blockPath]) => readThinkingBlock(block, blockPath));
  for (const name of ['reasoning_content', 'reasoning']) {
    const text = optionalString(message, name, param);
    if (text !== undefined && text !== '') return [{ kind: 'reasoning', text, param: memberPath(param, name) }];
  }
  return [];
}

const BLOCK_TYPES = ['thinking', 'redacted_thinking'] as const;

/** `vendor` is written by our renderer for everybody's signatures but Anthropic's, whose blocks these are. */
function readThinkingBlock(block: JsonObject, param: string): Part {
  const type = requiredString(block, 'type', param);
  const vendor = optionalString(block, 'vendor', param) ?? 'anthropic';
  if (type === 'redacted_thinking') {
    return { kind: 'redacted_reasoning', vendor, data: requiredString(block, 'data', param), param };
  }
  if (type !== 'thinking') throw unknownValue(memberPath(param, 'type'), type, BLOCK_TYPES);
  const text = optionalString(block, 'thinking', param) ?? '';
  const signature = optionalString(block, 'signature', param);
  if (signature === undefined || signature === '') return { kind: 'reasoning', text, param };
  return { kind: 'reasoning', text, vendor, signature, param };
}

const CALL_TYPES = ['function', 'custom'] as const;

function readToolCall(call: JsonObject, param: string): ToolCallPart {
  const id = requiredString(call, 'id', param);
  const type = optionalString(call, 'type', param) ?? 'function';
  if (type === 'custom') {
    const custom = requiredObject(call, 'custom', param);
    const path = memberPath(param, 'custom');
    const name = requiredString(custom, 'name', path);
    const input = optionalString(custom, 'input', path) ?? '';
    return { kind: 'tool_call', id, name, arguments: input, custom: true, param };
  }
  if (type !== 'function') throw unknownValue(memberPath(param, 'type'), type, CALL_TYPES);
  const called = requiredObject(call, 'function', param);
  const path = memberPath(param, 'function');
  const name = requiredString(called, 'name', path);
  const text = optionalString(called, 'arguments', path) ?? '';
  return { kind: 'tool_call', id, name, arguments: text, param, ...present({ signature: readSignature(call, param) }) };
}

/** Where Google's compatibility API puts it: `extra_content.google.thought_signature`. */
function readSignature(call: JsonObject, param: string): string | undefined {
  const extra = optionalObject(call, 'extra_content', param);
  if (extra === undefined) return undefined;
  const path = memberPath(param, 'extra_content');
  const google = optionalObject(extra, 'google', path);
  return google === undefined ? undefined : optionalString(google, 'thought_signature', `${path}.google`);
}
