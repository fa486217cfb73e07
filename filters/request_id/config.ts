import * as z from 'zod';
import { headerName } from '../../core/api/index.js';

/** YAML of the filter. */
export const configSchema = z.strictObject({
  headers: z
    .array(headerName())
    .default(['x-request-id', 'x-correlation-id', 'x-trace-id', 'request-id'])
    .describe('Request headers whose value is taken as the id, in this order. An empty list mints every id.'),
});

export type RequestIdSettings = z.output<typeof configSchema>;
