import { GatewayError } from '../../core/api/errors.js';
import type { JsonObject } from '../../core/api/inference.js';
import { isJsonObject } from '../../core/api/json.js';

/**
 * Typed access to the fields of a client's JSON. `null` counts as absent, as in the vendors' APIs; anything else of the
 * wrong type is `invalid_type` with the dotted path. `path` is that of the object; empty for the body.
 */

/** Path of a member: `messages[0]` and `role` make `messages[0].role`. */
export function memberPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Of a JSON value, with its article. */
function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  const type = typeof value;
  return type === 'object' ? 'an object' : `a ${type}`;
}

export function invalidType(param: string, expected: string, found: unknown): GatewayError {
  return new GatewayError(
    'invalid_type',
    `Invalid type for '${param}': expected ${expected}, but got ${typeName(found)}`,
    { param },
  );
}

export function invalidValue(param: string, why: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid value for '${param}': ${why}`, { param });
}

/** A value that is none of a fixed list. Long values are cut: the message is no place for them. */
export function unknownValue(param: string, found: string, supported: readonly string[]): GatewayError {
  const shown = found.length > 64 ? `${found.slice(0, 64)}…` : found;
  return invalidValue(param, `'${shown}' is none of ${supported.map((value) => `'${value}'`).join(', ')}`);
}

export function missingParameter(param: string): GatewayError {
  return new GatewayError('missing_required_parameter', `Missing required parameter: '${param}'`, { param });
}

export function optionalString(object: JsonObject, name: string, path: string): string | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw invalidType(memberPath(path, name), 'a string', value);
}

export function requiredString(object: JsonObject, name: string, path: string): string {
  const value = optionalString(object, name, path);
  if (value === undefined) throw missingParameter(memberPath(path, name));
  return value;
}

export function optionalNumber(object: JsonObject, name: string, path: string): number | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined || typeof value === 'number') return value;
  throw invalidType(memberPath(path, name), 'a number', value);
}

/** `invalid_value` where it is no whole number, or below `min`. */
export function optionalInteger(object: JsonObject, name: string, path: string, min?: number): number | undefined {
  const value = optionalNumber(object, name, path);
  if (value === undefined) return undefined;
  const param = memberPath(path, name);
  if (!Number.isInteger(value)) throw invalidType(param, 'an integer', value);
  if (min !== undefined && value < min) throw invalidValue(param, `it must be ${min} or more`);
  return value;
}

export function optionalBoolean(object: JsonObject, name: string, path: string): boolean | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalidType(memberPath(path, name), 'a boolean', value);
}

export function optionalObject(object: JsonObject, name: string, path: string): JsonObject | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined || isJsonObject(value)) return value;
  throw invalidType(memberPath(path, name), 'an object', value);
}

export function requiredObject(object: JsonObject, name: string, path: string): JsonObject {
  const value = optionalObject(object, name, path);
  if (value === undefined) throw missingParameter(memberPath(path, name));
  return value;
}

export function optionalArray(object: JsonObject, name: string, path: string): readonly unknown[] | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined || Array.isArray(value)) return value;
  throw invalidType(memberPath(path, name), 'an array', value);
}

/** The objects of an array, each with its path. */
export function objectsOf(list: readonly unknown[], path: string): (readonly [JsonObject, string])[] {
  return list.map((value, index) => {
    const param = `${path}[${index}]`;
    if (!isJsonObject(value)) throw invalidType(param, 'an object', value);
    return [value, param] as const;
  });
}

/** The strings of an array. */
export function stringsOf(list: readonly unknown[], path: string): string[] {
  return list.map((value, index) => {
    if (typeof value !== 'string') throw invalidType(`${path}[${index}]`, 'a string', value);
    return value;
  });
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same object without the members that are undefined, so that optional ones are absent. */
export function present<T extends object>(fields: T): Present<T> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) kept[name] = value;
  return kept as Present<T>;
}
