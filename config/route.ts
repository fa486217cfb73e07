import * as z from 'zod';
import { duration, resourceName } from './scalars.js';

const patterns = z.array(z.string().min(1)).min(1);

/** Which requests a route takes: every key must match, of a list one item is enough. */
export const routeMatchSchema = z.strictObject({
  models: patterns.optional().describe('Model names after aliases; `*` stands for anything, `!` in front excludes.'),
  headers: z.record(z.string(), z.string()).optional().describe('Header values, all of them; `*` stands for anything.'),
  paths: patterns.optional().describe('Request paths; `*` stands for anything.'),
  listeners: patterns.optional().describe('Names of listeners.'),
});

/** Which requests a filter sees. */
export const filterMatchSchema = routeMatchSchema.extend({
  methods: patterns.optional().describe('HTTP methods.'),
  streaming: z.boolean().optional().describe('Whether the client asked for a stream.'),
});

export type RouteMatch = z.output<typeof routeMatchSchema>;
export type FilterMatch = z.output<typeof filterMatchSchema>;

/** Change of one filter on one route. */
export const filterOverrideSchema = z.strictObject({
  config: z.record(z.string(), z.unknown()).optional().describe('Deep-merged over the config of that filter.'),
  disabled: z.boolean().default(false).describe('Leave the filter out on this route. Default false.'),
});

/** First match wins; without a match the first cluster that serves the model does. */
export const routeSchema = z.strictObject({
  name: resourceName().describe('Unique; used in logs and metrics. Default `route_1`, …'),
  match: routeMatchSchema.prefault({}).describe('Which requests. Default: all.'),
  cluster: z.string().describe('Name of the cluster that serves them.'),
  filters: z.record(z.string(), filterOverrideSchema).default({}).describe('Changes by filter name.'),
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
