import * as z from 'zod';

/** YAML of the filter. */
export const configSchema = z.strictObject({
  pass_through: z
    .enum(['never', 'when_open', 'always'])
    .default('when_open')
    .describe(
      'When an engine without a key gets the credentials that the caller sent for itself: never; when the gateway asked for none (default); always. For cloud APIs `byok` of the worker decides.',
    ),
  prefer: z
    .enum(['caller', 'worker'])
    .default('caller')
    .describe("At a cloud API with `byok: allow`: whose key goes first, the caller's (default) or the worker's own."),
  allow_plaintext_keys: z
    .boolean()
    .default(false)
    .describe('Send keys to cloud APIs without TLS, also outside of private networks. Default false.'),
  routed_worker_id: z
    .boolean()
    .default(false)
    .describe('Tell the client in `x-smg-routed-worker-id` which worker answered, by id. Default false.'),
});

export type CredentialsSettings = z.output<typeof configSchema>;
