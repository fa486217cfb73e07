import { GatewayError, type JsonObject, type Part, type ToolResultPart } from '../../../core/api/index.js';
import { encodeMedia, isMedia } from './media.js';
import type { GeminiFeatures } from './model-features.js';
import type { GeminiFunctionResponse, GeminiPart } from './wire.js';

/** One answer to a call, and what cannot stand in it. */
export interface EncodedResult {
  readonly response: GeminiFunctionResponse;
  /** Media that must follow as content of the user, for models that take none in results. */
  readonly media: readonly GeminiPart[];
}

/** `name`: of the function as the worker knows it. */
export function encodeToolResult(result: ToolResultPart, name: string, features: GeminiFeatures): EncodedResult {
  const texts: string[] = [];
  const media: GeminiPart[] = [];
  for (const part of result.content) {
    if (part.kind === 'text' || part.kind === 'refusal') texts.push(part.text);
    else if (isMedia(part)) media.push(encodeMedia(part, features));
    else if (part.kind !== 'vendor') throw notInResult(part);
  }
  const response = responseObject(texts.join('\n'), result.isError === true);
  const inline = features.multimodalResults
    ? media.flatMap(({ inlineData }) => (inlineData ? [{ inlineData }] : []))
    : [];
  const rest = inline.length === 0 ? media : media.filter(({ inlineData }) => inlineData === undefined);
  return { response: { name, response, ...(inline.length === 0 ? {} : { parts: inline }) }, media: rest };
}

/** Gemini wants an object; `result` and `error` are the keys that its documentation gives a meaning. */
function responseObject(text: string, isError: boolean): JsonObject {
  if (isError) return { error: text };
  const value = parsed(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  return { result: value };
}

/** The JSON value that a text is; the text itself when it is none, or a number that would not come out the same. */
function parsed(text: string): unknown {
  if (!/^\s*(?:[[{"\d-]|true|false|null)/.test(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'number' && String(value) !== text.trim() ? text : value;
  } catch {
    return text;
  }
}

function notInResult(part: Part): GatewayError {
  const message = `A tool result cannot hold a part of kind '${part.kind}'`;
  return new GatewayError('unsupported_content_part', message, { param: part.param });
}
