import { availableParallelism } from 'node:os';
import * as z from 'zod';

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A wait like `500ms` or `60s`, in milliseconds, at most a day. */
const wait = z.string().transform((text, context): number => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  const ms =
    match === null ? Number.NaN : Math.round(Number(match[1]) * (DURATION_UNITS_MS[match[2] as string] as number));
  if (ms <= 24 * 3_600_000) return ms;
  context.addIssue({ code: 'custom', message: 'must be a duration up to 24h, like 500ms or 60s' });
  return z.NEVER;
});

/** YAML of the filter. With `max: 0`, the default, it is left out. */
export const configSchema = z
  .strictObject({
    max: z
      .union([z.literal('auto'), z.int().min(-1).max(1_000_000)])
      .default(0)
      .describe('Requests that run at once. `auto` (or -1): 1024 per core, at least 4096. 0 = no limit. Default 0.'),
    queue: z.int().min(0).max(1_000_000).default(100).describe('Requests that may wait; 0 = none. Default 100.'),
    queue_timeout: wait.prefault('60s').describe('Longest wait of one request, a duration. Default 60s.'),
  })
  .refine((settings) => settings.queue === 0 || settings.queue_timeout > 0, {
    error: 'must be greater than 0 where requests may wait',
    path: ['queue_timeout'],
  });

export type AdmissionSettings = z.output<typeof configSchema>;

/** Permits that these settings mean on this machine; 0 no limit. */
export function permitsOf(max: AdmissionSettings['max']): number {
  return max === 'auto' || max === -1 ? Math.max(4096, 1024 * availableParallelism()) : max;
}
