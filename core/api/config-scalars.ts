import * as z from 'zod';

/** Milliseconds. Written `250ms`, `30s`, `5m`, `2h`, `1d`, or several together: `1h30m`. */
export type DurationMs = number;
/** Bytes. Written `64KiB`, `512MiB`, `1GiB`, `100kB`, `10MB`, `512B`. */
export type ByteSize = number;
/** A share of 1. Written `20%` or `0.2`. */
export type Ratio = number;

/** So many per period. Written `600/min`, `10/s`. */
export interface Rate {
  readonly count: number;
  readonly periodMs: DurationMs;
}

/** Longest duration, ms: what a timer can hold. */
export const MAX_DURATION_MS = 2 ** 31 - 1;

const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTE_UNITS: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
const RATE_PERIODS: Record<string, number> = {
  s: 1000,
  sec: 1000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  day: 86_400_000,
};

/** Milliseconds of a duration text; undefined when it is none. */
export function parseDuration(text: string): DurationMs | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (DURATION_UNITS[unit as string] as number);
  }
  return Math.round(total);
}

/** Shortest exact text of a duration: 90000 is `90s`, 1800000 `30m`. */
export function formatDuration(ms: DurationMs): string {
  if (ms === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = DURATION_UNITS[unit] as number;
    if (ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** Bytes of a size text; undefined when it is none or no whole number. */
export function parseByteSize(text: string): ByteSize | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB|KiB|MiB|GiB)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (BYTE_UNITS[match[2] as string] as number);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Shortest exact text of a size in binary units: 65536 is `64KiB`. */
export function formatByteSize(bytes: ByteSize): string {
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = BYTE_UNITS[unit] as number;
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** A rate text; undefined when it is none. */
export function parseRate(text: string): Rate | undefined {
  const match = /^(\d+(?:\.\d+)?) ?\/ ?(s|sec|min|m|h|day)$/.exec(text);
  if (match === null) return undefined;
  return { count: Number(match[1]), periodMs: RATE_PERIODS[match[2] as string] as number };
}

/** A share from `20%` or `0.2`; undefined when it is neither or not within 0 to 1. */
export function parseRatio(text: string): Ratio | undefined {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  if (match === null) return undefined;
  const ratio = match[2] === '%' ? Number(match[1]) / 100 : Number(match[1]);
  return ratio <= 1 ? ratio : undefined;
}

/** A text schema that `parse` turns into its value, or fails with `expected` (which never repeats the input). */
export function parsedText<T>(parse: (text: string) => T | undefined, expected: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected, params: { showValue: true } });
    return z.NEVER;
  });
}

/** A number without unit is refused with a hint; only 0 stands for itself. */
function zeroAs(text: string) {
  return (value: unknown): unknown => (value === 0 ? text : value);
}

/** Duration with unit, in ms. `minMs` default 0, `maxMs` default about 24 days. */
export function duration(minMs: DurationMs = 0, maxMs: DurationMs = MAX_DURATION_MS) {
  const parse = parsedText(parseDuration, 'is not a duration like 250ms, 30s, 5m or 1h30m');
  const bounded = parse.superRefine((ms, context) => {
    if (ms < minMs) context.addIssue({ code: 'custom', message: `must be at least ${formatDuration(minMs)}` });
    if (ms > maxMs) context.addIssue({ code: 'custom', message: `must be at most ${formatDuration(maxMs)}` });
  });
  return z.preprocess(zeroAs('0s'), bounded).meta({ 'x-unit': 'duration', examples: ['30s'] });
}

/** Size with unit, in bytes. */
export function byteSize(minBytes: ByteSize = 0, maxBytes: ByteSize = 64 * 2 ** 30) {
  const parse = parsedText(parseByteSize, 'is not a size like 64KiB, 512MiB or 1GiB');
  const bounded = parse.superRefine((bytes, context) => {
    if (bytes < minBytes) context.addIssue({ code: 'custom', message: `must be at least ${formatByteSize(minBytes)}` });
    if (bytes > maxBytes) context.addIssue({ code: 'custom', message: `must be at most ${formatByteSize(maxBytes)}` });
  });
  return z.preprocess(zeroAs('0B'), bounded).meta({ 'x-unit': 'bytes', examples: ['64KiB'] });
}

/** So many per period. */
export function rate() {
  return parsedText(parseRate, 'is not a rate like 10/s or 600/min').meta({ 'x-unit': 'rate', examples: ['600/min'] });
}

/** Share of 1: `20%` or `0.2`. */
export function ratio() {
  const asText = (value: unknown): unknown => (typeof value === 'number' ? String(value) : value);
  return z
    .preprocess(asText, parsedText(parseRatio, 'is not a share like 20% or 0.2'))
    .meta({ 'x-unit': 'ratio', examples: ['20%'] });
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** HTTP field name, lower-cased. */
export function headerName() {
  const parse = (text: string): string | undefined => (HEADER_NAME.test(text) ? text.toLowerCase() : undefined);
  return parsedText(parse, 'is not an HTTP header name').meta({ pattern: HEADER_NAME.source });
}
