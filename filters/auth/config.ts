import { z } from 'zod';

/** A key as YAML gives it, kept out of every printed form. */
const keySchema = z.string().min(1, 'must not be empty').meta({ 'x-secret': true });

/** YAML of the filter. Without `api_key` and `keys` the filter is left out and the gateway is open. */
export const configSchema = z.strictObject({
  api_key: keySchema
    .optional()
    .describe('The shared key, tenant `default`. It may also call administration endpoints.'),
  keys: z
    .array(
      z.strictObject({
        id: z
          .string()
          .regex(
            /^[A-Za-z0-9_](?:[A-Za-z0-9_.:-]{0,62}[A-Za-z0-9_])?$/,
            'must be 1 to 64 letters, digits, _, -, . or :',
          )
          .describe('Name of the tenant in logs, metrics and limits. Not a secret.'),
        key: keySchema.describe('What the client sends.'),
        admin: z.boolean().default(false).describe('May it call administration endpoints? Default false.'),
      }),
    )
    .default([])
    .describe('One key per tenant.'),
});

export type AuthSettings = z.output<typeof configSchema>;
