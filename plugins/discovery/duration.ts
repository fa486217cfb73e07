import * as z from 'zod';

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration like `30s` or `5m` in a config, from `minMs` to a day; milliseconds after parsing. */
export function duration(minMs: number) {
  return z.string().transform((text, context): number => {
    const match = /^(?:(\d+(?:\.\d+)?)(ms|s|m|h)|0)$/.exec(text.trim());
    const ms = match === null ? Number.NaN : Math.round(Number(match[1] ?? 0) * (UNITS_MS[match[2] ?? 'ms'] as number));
    if (ms >= minMs && ms <= 24 * 3_600_000) return ms;
    context.addIssue({ code: 'custom', message: `must be a duration from ${minMs}ms to 24h, like 30s` });
    return z.NEVER;
  });
}
