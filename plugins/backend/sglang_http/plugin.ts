import * as z from 'zod';
import { API_VERSION, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';

/** SGLang's HTTP server: the OpenAI surface and its own `/generate`. */
export default defineBackend({
  type: 'sglang_http',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [UpstreamClient],
  create: (_config, _lifetime, client) =>
    new HttpBackend(
      { type: 'sglang_http', nativeApis: [...OPENAI_APIS, 'generate'], missingApis: [], tokenize: 'prompt' },
      client,
    ),
});
