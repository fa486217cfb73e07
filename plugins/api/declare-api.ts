import * as z from 'zod';
import type { ClientApi } from '../../core/api/client-api.js';
import { API_VERSION, type ClientApiDefinition, defineClientApi } from '../../core/api/define.js';

const noConfig = z.strictObject({}).describe('Nothing to configure');

/** Declares a client api that is complete as data: no config, no services. */
export function declareApi(api: ClientApi): ClientApiDefinition<Record<string, never>, readonly []> {
  return defineClientApi({
    type: api.type,
    apiVersion: API_VERSION,
    configSchema: noConfig,
    inject: [],
    create: () => api,
  });
}
