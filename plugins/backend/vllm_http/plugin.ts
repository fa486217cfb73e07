import * as z from 'zod';
import { API_VERSION, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';

/** vLLM's HTTP server: the OpenAI surface; it has no `/generate`. */
export default defineBackend({
  type: 'vllm_http',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({}),
  inject: [UpstreamClient],
  create: (_config, _lifetime, client) =>
    new HttpBackend(
      { type: 'vllm_http', nativeApis: OPENAI_APIS, missingApis: ['generate'], tokenize: 'messages' },
      client,
    ),
});
