import * as z from 'zod';

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is not the name of a header field')
  .transform((name) => name.toLowerCase());

/** YAML of the filter. */
export const configSchema = z.strictObject({
  headers: z
    .array(headerName)
    .default(['x-request-id', 'x-correlation-id', 'x-trace-id', 'request-id'])
    .describe('Request headers whose value is taken as the id, in this order. An empty list mints every id.'),
});

export type RequestIdSettings = z.output<typeof configSchema>;
