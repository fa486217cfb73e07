import * as z from 'zod';

/** Seconds; from a fast error to a two-hour generation. */
const DURATION_BUCKETS = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 45, 60, 90, 120, 180, 240, 300, 480, 900,
  1200, 1800, 2700, 3600, 5400, 7200,
];

/** YAML of the filter. */
export const configSchema = z.strictObject({
  access_log: z.boolean().default(true).describe('Write one line per finished request to the log. Default true.'),
  quiet_endpoints: z
    .array(z.string().startsWith('/', 'must be a path'))
    .default(['/health', '/liveness', '/readiness', '/health_generate'])
    .describe('Endpoints whose successful requests leave no line in the access log: probes.'),
  max_models: z
    .int()
    .min(1)
    .max(10_000)
    .default(200)
    .describe('Most model names that become label values; later ones count as `other`. Default 200.'),
  duration_buckets: z
    .array(z.number().positive())
    .min(1)
    .max(100)
    .refine((bounds) => bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] as number)), 'must ascend')
    .default(DURATION_BUCKETS)
    .describe('Upper bounds of the duration histograms, seconds, ascending. A change needs a restart.'),
});

export type TelemetrySettings = z.output<typeof configSchema>;
