import type { MediaSource, Part, ToolCallPart, ToolResultPart } from '../../../core/api/conversation.js';
import { GatewayError } from '../../../core/api/errors.js';
import type { JsonObject } from '../../../core/api/inference.js';
import { isJsonObject } from '../../../core/api/json.js';
import { normalizeBase64, normalizeMediaType, sniffMediaType } from '../../../core/inference/data-url.js';
import {
  invalidType,
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
import { splitToolUseId } from './tool-use-id.js';

const VENDOR = 'anthropic';

/** Blocks that only an assistant says. */
const ASSISTANT_ONLY: ReadonlySet<string> = new Set(['tool_use', 'thinking', 'redacted_thinking']);

/**
 * Parts of a message's `content`, a text or a list of blocks. Blocks that mean something to Anthropic alone (server tools)
 * become `vendor` parts, which other dialects leave out; search results become the text that a model reads.
 */
export function readContent(content: unknown, role: string, param: string): Part[] {
  return readBlocks(content, param, (block, type, at) => readBlock(block, type, role, at));
}

function readBlocks(
  content: unknown,
  param: string,
  read: (block: JsonObject, type: string, param: string) => Part | Part[],
): Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content, param }];
  if (!Array.isArray(content)) throw invalidType(param, 'a string or an array of blocks', content);
  return objectsOf(content, param).flatMap(([block, at]) => read(block, requiredString(block, 'type', at), at));
}

function readBlock(block: JsonObject, type: string, role: string, param: string): Part | Part[] {
  if (ASSISTANT_ONLY.has(type) && role !== 'assistant') throw misplaced(type, 'assistant', param);
  if (type === 'tool_result' && role !== 'user') throw misplaced(type, 'user', param);
  switch (type) {
    case 'tool_use':
      return readToolUse(block, param);
    case 'tool_result':
      return readToolResult(block, param);
    case 'thinking':
      return readThinking(block, param);
    case 'redacted_thinking':
      return { kind: 'redacted_reasoning', vendor: VENDOR, data: requiredString(block, 'data', param), param };
    default:
      return readPlainBlock(block, type, param);
  }
}

/** Blocks that may also stand in a tool's result. */
function readPlainBlock(block: JsonObject, type: string, param: string): Part | Part[] {
  const base = present({ cacheControl: optionalObject(block, 'cache_control', param), param });
  switch (type) {
    case 'text': {
      const citations = optionalArray(block, 'citations', param);
      const text = requiredString(block, 'text', param);
      return { kind: 'text', text, ...base, ...(citations?.length ? { citations } : {}) };
    }
    case 'image':
      return { kind: 'image', source: readSource(requiredObject(block, 'source', param), `${param}.source`), ...base };
    case 'document':
      return readDocument(block, base, param);
    case 'search_result':
      return { kind: 'text', text: searchResultText(block, param), ...base };
    case 'web_search_tool_result':
      return webSearchText(block, param);
    default:
      return { kind: 'vendor', vendor: VENDOR, data: block, ...base };
  }
}

function misplaced(type: string, role: string, param: string): GatewayError {
  return invalidValue(param, `\`${type}\` blocks are only allowed in ${role} messages`);
}

function readToolUse(block: JsonObject, param: string): ToolCallPart {
  const { id, signature } = splitToolUseId(requiredString(block, 'id', param));
  const text = JSON.stringify(block.input ?? {});
  const cacheControl = optionalObject(block, 'cache_control', param);
  const name = requiredString(block, 'name', param);
  return { kind: 'tool_call', id, name, arguments: text, ...present({ signature, cacheControl }), param };
}

function readToolResult(block: JsonObject, param: string): ToolResultPart {
  const content = block.content ?? [];
  return {
    kind: 'tool_result',
    callId: splitToolUseId(requiredString(block, 'tool_use_id', param)).id,
    content: readBlocks(content, `${param}.content`, readPlainBlock),
    ...present({
      isError: optionalBoolean(block, 'is_error', param),
      cacheControl: optionalObject(block, 'cache_control', param),
    }),
    param,
  };
}

/** Thoughts that the gateway wrote for another vendor's model have an empty signature: nobody's. */
function readThinking(block: JsonObject, param: string): Part {
  const text = requiredString(block, 'thinking', param);
  const signature = optionalString(block, 'signature', param);
  if (signature === undefined || signature === '') return { kind: 'reasoning', text, param };
  return { kind: 'reasoning', text, vendor: VENDOR, signature, param };
}

function readDocument(block: JsonObject, base: { readonly param: string }, param: string): Part | Part[] {
  const source = requiredObject(block, 'source', param);
  // A document made of blocks is what these blocks say.
  if (source.type === 'content') return readBlocks(source.content, `${param}.source.content`, readPlainBlock);
  return {
    kind: 'document',
    source: readSource(source, `${param}.source`),
    ...present({
      title: optionalString(block, 'title', param),
      context: optionalString(block, 'context', param),
      citations: optionalObject(block, 'citations', param),
    }),
    ...base,
  };
}

function readSource(source: JsonObject, param: string): MediaSource {
  const type = requiredString(source, 'type', param);
  switch (type) {
    case 'base64':
      return readBase64(source, param);
    case 'url':
      return { kind: 'url', url: requiredString(source, 'url', param) };
    case 'file':
      return { kind: 'file', fileId: requiredString(source, 'file_id', param) };
    case 'text': {
      const mediaType = optionalString(source, 'media_type', param) ?? 'text/plain';
      return { kind: 'text', mediaType, text: requiredString(source, 'data', param) };
    }
    default:
      throw unknownValue(`${param}.type`, type, ['base64', 'url', 'file', 'text']);
  }
}

/** What the first bytes say wins over the type that is written. */
function readBase64(source: JsonObject, param: string): MediaSource {
  const data = normalizeBase64(requiredString(source, 'data', param));
  if (data === undefined) {
    const message = `Invalid value for '${param}.data': it is not valid base64`;
    throw new GatewayError('invalid_image_url', message, { param: `${param}.data` });
  }
  const written = normalizeMediaType(requiredString(source, 'media_type', param));
  return { kind: 'base64', mediaType: sniffMediaType(data) ?? written, data };
}

/** Title, source and texts of a `search_result` block, a line each. */
function searchResultText(block: JsonObject, param: string): string {
  const lines = [requiredString(block, 'title', param), requiredString(block, 'source', param)];
  for (const [item, at] of objectsOf(optionalArray(block, 'content', param) ?? [], `${param}.content`)) {
    lines.push(requiredString(item, 'text', at));
  }
  return lines.join('\n');
}

/** Titles and addresses of what a search found earlier; a failed one says nothing. */
function webSearchText(block: JsonObject, param: string): Part[] {
  const found = Array.isArray(block.content) ? block.content.filter(isJsonObject) : [];
  if (found.length === 0) return [];
  const text = found.map(({ title, url }) => `${String(title ?? '')}: ${String(url ?? '')}`).join('\n');
  return [{ kind: 'text', text: `Web search results:\n${text}`, param }];
}
