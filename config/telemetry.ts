import * as z from 'zod';
import { host, offOr, port } from './scalars.js';

const logsSchema = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('Least important lines that are written. Default info.'),
    format: z
      .enum(['auto', 'json', 'text'])
      .default('auto')
      .describe('auto: text on a terminal, else JSON. Default auto (text with `defaults: smg`).'),
    access: z.boolean().default(true).describe('One line per request. Default true.'),
  })
  .prefault({})
  .describe('Logs, on stdout.');

const prometheusSchema = z.strictObject({
  host: host().prefault('127.0.0.1').describe('Address of the metrics listener. Default 127.0.0.1.'),
  port: port().default(29_000).describe('Its port; 0 lets the system choose. Default 29000.'),
});

/** What the gateway tells about itself. */
export const telemetrySchema = z
  .strictObject({
    logs: logsSchema,
    metrics: z
      .strictObject({ prometheus: offOr(prometheusSchema).prefault({}).describe('Exposition on /metrics, or `off`.') })
      .prefault({})
      .describe('Metrics.'),
    request_id: z.record(z.string(), z.unknown()).optional().describe('Config of the filter request_id.'),
  })
  .prefault({})
  .describe('Logs, metrics, request ids.');

export type TelemetryConfig = z.output<typeof telemetrySchema>;
