import * as z from 'zod';
import { API_VERSION, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';

/** Any server with an OpenAI surface of which nothing else is known: everything is forwarded, what it lacks it says itself. */
export default defineBackend({
  type: 'openai_compatible',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [UpstreamClient],
  create: (_config, _lifetime, client) =>
    new HttpBackend({ type: 'openai_compatible', nativeApis: [...OPENAI_APIS, 'generate'], missingApis: [] }, client),
});
