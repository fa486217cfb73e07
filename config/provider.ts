import * as z from 'zod';
import { workerFields } from '../core/api/worker-fields.js';
import { secret, workerUrl } from './scalars.js';

/** What a provider's workers share. Everything else in its block is settings of its backend. */
export const providerSchema = z.looseObject({
  key: secret()
    .optional()
    .describe(
      'Key of its workers that have none themselves. Default: its variable in the environment (OPENAI_API_KEY, …). Workers of the admin API and of discoveries get it at an address of the provider only.',
    ),
  list_key: secret()
    .optional()
    .describe('Key for its list of models, where another one reads that. Default: OPENAI_ADMIN_KEY, …; else the key.'),
  byok: workerFields.byok.optional().describe('What becomes of provider keys that callers bring. Default allow.'),
  url: workerUrl().optional().describe("Address of clusters that name none. Default: the provider's own."),
});

/** Keys of the block that are not settings of the backend. */
export const PROVIDER_KEYS: readonly string[] = Object.keys(providerSchema.shape);

/** Backend of services that only speak OpenAI's API. */
export const COMPATIBLE_BACKEND = 'openai_compatible';
