import * as z from 'zod';
import { requestMatchSchema } from '../core/api/request-match.js';
import { duration, offOr, resourceName } from './scalars.js';

/** Change of one filter on one route. */
export const filterOverrideSchema = z.strictObject({
  config: z.record(z.string(), z.unknown()).optional().describe('Deep-merged over the config of that filter.'),
  disabled: z.boolean().default(false).describe('Leave the filter out on this route. Default false.'),
});

/** First match wins; without a match the first cluster that serves the model does. */
export const routeSchema = z.strictObject({
  name: resourceName().describe('Unique; used in logs and metrics. Default `route_1`, …'),
  match: requestMatchSchema
    .prefault({})
    .describe(
      'Which requests: every key must match, of a list one item is enough; `*` stands for anything, `!` in front excludes. Default: all.',
    ),
  cluster: z.string().describe('Name of the cluster that serves them.'),
  filters: z
    .record(z.string(), filterOverrideSchema)
    .default({})
    .describe('Changes of filters below `model`, by their names; `off` leaves one out.'),
  retry: offOr(z.record(z.string(), z.unknown()))
    .optional()
    .describe('Config of the filter retry on this route, or `off`; short for `filters.retry`.'),
  fallback: offOr(z.record(z.string(), z.unknown()))
    .optional()
    .describe(
      'Clusters to go on to, in their order, or config of the filter fallback on this route, or `off`; short for `filters.fallback`.',
    ),
  timeouts: z
    .strictObject({
      connect: duration().optional().describe('TCP and TLS set-up.'),
      first_byte: duration().optional().describe('From the last request byte to the response head; 0 = none.'),
      idle: duration().optional().describe('Between two response bytes; 0 = none.'),
      request: duration().optional().describe('Whole request with all its attempts; 0 = none.'),
    })
    .prefault({})
    .describe('Instead of those of the cluster.'),
});
