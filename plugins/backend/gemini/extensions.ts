import { type Conversation, GatewayError, type JsonObject } from '../../../core/api/index.js';
import { SILENTLY_DROPPED, type UnsupportedParams } from '../translate/unsupported-params.js';

/** Fields of Gemini's own that clients of other dialects may send along. */
export interface GeminiExtensions {
  readonly safetySettings?: readonly unknown[];
  readonly cachedContent?: string;
  /** Wins over any effort. */
  readonly thinkingConfig?: JsonObject;
}

const OWN: ReadonlySet<string> = new Set(['safety_settings', 'cached_content', 'thinking_config']);

/**
 * Reads them where Google's own compatibility endpoint takes them: at the top, under `google`, under `extra_body.google`.
 * What is left of the unknown fields is dropped or refused.
 */
export function readExtensions({ extra }: Conversation, unsupported: UnsupportedParams): GeminiExtensions {
  const found: { -readonly [K in keyof GeminiExtensions]: GeminiExtensions[K] } = {};
  const read = (fields: JsonObject, path: string): void => {
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined || value === null) continue;
      const param = path + name;
      if (OWN.has(name)) readOne(found, name, value, param);
      else if (name === 'google' || (name === 'extra_body' && path === '')) read(asObject(value, param), `${param}.`);
      else if (!SILENTLY_DROPPED.has(name)) unsupported.drop(param);
    }
  };
  read(extra, '');
  return found;
}

function readOne(
  found: { -readonly [K in keyof GeminiExtensions]: GeminiExtensions[K] },
  name: string,
  value: unknown,
  param: string,
): void {
  if (name === 'thinking_config') found.thinkingConfig = camelCaseKeys(asObject(value, param));
  else if (name === 'cached_content') {
    if (typeof value !== 'string') throw wrongType(param, 'a string');
    found.cachedContent = value;
  } else {
    if (!Array.isArray(value)) throw wrongType(param, 'an array');
    found.safetySettings = value;
  }
}

function asObject(value: unknown, param: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrongType(param, 'an object');
}

function wrongType(param: string, expected: string): GatewayError {
  return new GatewayError('invalid_type', `'${param}' must be ${expected}`, { param });
}

function camelCaseKeys(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
