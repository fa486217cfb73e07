import { GatewayError } from '../api/errors.js';
import { HeaderMap } from '../api/headers.js';

/** What is printed in the place of a secret. */
const CENSORED = '***';
/** Deeper objects are printed as this depth's placeholder; logs are no dumps. */
const MAX_DEPTH = 6;
const MAX_TEXT_LENGTH = 4096;

/** Field and header names whose values never appear in a log. */
const SECRET_NAME =
  /^(?:(?:proxy-)?authorization|(?:set-)?cookie|.*api[-_]?key|key|.*password|.*secret|.*private[-_]?key|access[-_]?token|refresh[-_]?token|bearer[-_]?token|auth[-_]?token|token|credentials?)$/i;
/** User information in URLs, bearer tokens, and keys of the common form, inside any text. */
const SECRET_TEXT = /(:\/\/)[^/\s@]+@|\b(Bearer\s+)[^\s"',;]+|\bsk-[A-Za-z0-9_-]{8,}/gi;

/**
 * A copy of log fields without secrets: values under telling names, header maps, credentials inside text and URLs.
 * Errors become plain objects. The second line of defence; the first is never to pass a secret to a logger.
 */
export function redactFields(fields: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) copy[name] = redactNamed(name, value, 1);
  return copy;
}

/** Text without credentials. */
export function redactText(text: string): string {
  const bounded = text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
  return bounded.replace(SECRET_TEXT, (_match, scheme?: string, bearer?: string) =>
    scheme !== undefined ? `${scheme}${CENSORED}@` : `${bearer ?? ''}${CENSORED}`,
  );
}

function redactNamed(name: string, value: unknown, depth: number): unknown {
  if (SECRET_NAME.test(name) && value !== undefined && value !== null && typeof value !== 'boolean') return CENSORED;
  return redactValue(value, depth);
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[deep]';
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof HeaderMap) return describeHeaders(value);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return redactValue(value.toJSON(), depth + 1);
  const copy: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) copy[name] = redactNamed(name, item, depth + 1);
  return copy;
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  const described: Record<string, unknown> = { type: error.name, message: redactText(error.message) };
  if ('code' in error) described.code = redactValue(error.code, depth + 1);
  if (GatewayError.is(error)) described.details = error.details;
  else if (error.stack !== undefined) described.stack = redactText(error.stack);
  if (error.cause !== undefined) described.cause = redactValue(error.cause, depth + 1);
  return described;
}

function describeHeaders(headers: HeaderMap): Record<string, unknown> {
  const described: Record<string, unknown> = {};
  headers.forEach((name, value) => {
    described[name] = redactNamed(name, value, 1);
  });
  return described;
}
