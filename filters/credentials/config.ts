import * as z from 'zod';

/** YAML of the filter. */
export const configSchema = z.strictObject({
  pass_through: z
    .enum(['never', 'when_open', 'always'])
    .default('when_open')
    .describe(
      'When a worker without a key gets the credentials that the caller sent for itself: never; when the gateway asked for none (default); always.',
    ),
  routed_worker_id: z
    .boolean()
    .default(false)
    .describe('Tell the client in `x-smg-routed-worker-id` which worker answered, by id. Default false.'),
});

export type CredentialsSettings = z.output<typeof configSchema>;
