import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { duration } from '../../core/api/index.js';

/** YAML of the filter. With `max: 0`, the default, it is left out. */
export const configSchema = z
  .strictObject({
    max: z
      .union([z.literal('auto'), z.int().min(-1).max(1_000_000)])
      .default(0)
      .describe('Requests that run at once. `auto` (or -1): 1024 per core, at least 4096. 0 = no limit. Default 0.'),
    queue: z.int().min(0).max(1_000_000).default(100).describe('Requests that may wait; 0 = none. Default 100.'),
    queue_timeout: duration(0, 24 * 3_600_000)
      .prefault('60s')
      .describe('Longest wait of one request, a duration. Default 60s.'),
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
