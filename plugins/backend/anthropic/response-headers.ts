import type { ResponseHeaders } from '../../../core/api/index.js';

const LIMIT = /^anthropic-ratelimit-(requests|tokens)-(limit|remaining|reset)$/;

/** A field of an answer's head as clients get it: rate limits in OpenAI's names, the provider's id of the request. */
export function keepField(name: string, value: string, nowMs: number): readonly [string, string] | undefined {
  if (name === 'request-id') return ['x-provider-request-id', value];
  const limit = name.startsWith('anthropic-ratelimit-') ? LIMIT.exec(name) : null;
  if (limit === null) return undefined;
  const [, unit, what] = limit;
  const shown = what === 'reset' ? durationUntil(value, nowMs) : value;
  return shown === undefined ? undefined : [`x-ratelimit-${what}-${unit}`, shown];
}

/** The same of all fields, name and value alternating. */
export function keptFields(headers: ResponseHeaders, nowMs: number): string[] {
  const kept: string[] = [];
  headers.forEach((name, value) => {
    const field = keepField(name, value, nowMs);
    if (field !== undefined) kept.push(...field);
  });
  return kept;
}

/** From an RFC 3339 time, as OpenAI writes it: `12s`. Undefined for what is no time. */
function durationUntil(time: string, nowMs: number): string | undefined {
  const untilMs = Date.parse(time) - nowMs;
  return Number.isNaN(untilMs) ? undefined : `${Math.max(0, Math.ceil(untilMs / 1000))}s`;
}
