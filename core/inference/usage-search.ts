import { UsageCounts } from './usage-counts.js';

/** Name under which an answer carries its token counts: OpenAI and Anthropic `usage`, SGLang `meta_info`. */
export type UsageField = 'usage' | 'meta_info';

const NEEDLES: Record<UsageField, Buffer> = { usage: Buffer.from('"usage"'), meta_info: Buffer.from('"meta_info"') };
/** Longer numbers are not counts of tokens. */
const MAX_DIGITS = 15;
const DETAILS = Buffer.from('tokens_details');

const SPACE = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/**
 * Finds the counts in a piece of an answer by a byte search and reads only them: the last object of that name, or the
 * first with `forward`. A piece may begin and end anywhere. Undefined when there is no whole one. Text that a model wrote
 * cannot be taken for it, since its quotes are escaped.
 */
export function findUsage(bytes: Buffer, field: UsageField, forward = false): UsageCounts | undefined {
  const needle = NEEDLES[field];
  let found = forward ? bytes.indexOf(needle) : bytes.lastIndexOf(needle);
  while (found !== -1) {
    const start = objectStart(bytes, found + needle.length);
    const counts = start === -1 ? undefined : readCounts(bytes, start);
    if (counts !== undefined) return counts;
    if (!forward && found === 0) return undefined;
    found = forward ? bytes.indexOf(needle, found + 1) : bytes.lastIndexOf(needle, found - 1);
  }
  return undefined;
}

/** Offset of the brace behind the colon, or -1 for `null` and the like. */
function objectStart(bytes: Buffer, from: number): number {
  let at = from;
  while (isBlank(bytes[at]) || bytes[at] === COLON) at++;
  return bytes[at] === BRACE_OPEN ? at : -1;
}

/**
 * The counts of the object at `start`: whole numbers of its own, and of the `…_tokens_details` objects in it. Undefined
 * when its end is not in `bytes`. Reads without `JSON.parse`, which costs five times as much for what is thrown away.
 */
function readCounts(bytes: Buffer, start: number): UsageCounts | undefined {
  const counts = new UsageCounts();
  let depth = 0;
  let inDetails = false;
  let keyStart = 0;
  let keyEnd = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      keyStart = at + 1;
      keyEnd = stringEnd(bytes, keyStart);
      if (keyEnd === -1) return undefined;
      at = keyEnd;
    } else if (byte === BRACE_OPEN) {
      if (++depth === 2) inDetails = endsWith(bytes, keyStart, keyEnd, DETAILS);
    } else if (byte === BRACE_CLOSE) {
      if (--depth === 0) return counts;
    } else if (byte === COLON && (depth === 1 || (depth === 2 && inDetails))) {
      const value = wholeNumberAt(bytes, at + 1);
      if (value >= 0) counts.set(bytes, keyStart, keyEnd, value, depth === 2);
    }
  }
  return undefined;
}

/** Offset of the quote that ends a string, or -1. */
function stringEnd(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return -1;
}

/** The value behind a colon when it is a whole number ≥ 0, else -1. */
function wholeNumberAt(bytes: Buffer, from: number): number {
  let at = from;
  while (isBlank(bytes[at])) at++;
  const start = at;
  let value = 0;
  for (; at < bytes.length; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
  }
  if (at === start || at - start > MAX_DIGITS) return -1;
  const next = bytes[at];
  return next === 0x2c || next === BRACE_CLOSE || isBlank(next) ? value : -1;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsWith(bytes: Buffer, start: number, end: number, suffix: Buffer): boolean {
  const from = end - suffix.length;
  if (from < start) return false;
  for (let i = 0; i < suffix.length; i++) if (bytes[from + i] !== suffix[i]) return false;
  return true;
}
