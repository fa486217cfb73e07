import type { HeaderMap } from './headers.js';

/**
 * Milliseconds that a `Retry-After` value asks for: seconds, with fractions as some providers send them, or a date against
 * `nowMs` (wall clock). Undefined when there is none or it is neither; a date that has passed asks for 0.
 */
function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1000);
  const dateMs = /^[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

/** What a worker's answer asks for: `retry-after-ms` (OpenAI, Azure), which is exact, else `Retry-After`. */
export function retryAfterMsOf(headers: HeaderMap, nowMs: number): number | undefined {
  const exact = headers.get('retry-after-ms')?.trim();
  if (exact !== undefined && /^\d{1,12}(?:\.\d{1,9})?$/.test(exact)) return Math.ceil(Number(exact));
  return parseRetryAfter(headers.get('retry-after'), nowMs);
}
