import type { JsonObject } from '../api/inference.js';
import { isJsonObject, parseJson } from '../api/json.js';

/**
 * The arguments of a tool call, JSON text as a model wrote it, as the object that some dialects want. Never refused: text
 * that is no JSON (the answer may have ended in the middle) is kept as `_raw_arguments`, a value that is no object as `value`.
 */
export function argumentsObject(text: string): JsonObject {
  if (text.trim() === '') return {};
  const value = parseJson(text);
  if (value === undefined) return { _raw_arguments: text };
  return isJsonObject(value) ? value : { value };
}
