import { API_VERSION, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';

/** OpenAI's own API. What its newer models call `max_completion_tokens`, it takes for all. */
export default defineBackend({
  type: 'openai',
  apiVersion: API_VERSION,
  configSchema: treatmentSchema('max_completion_tokens'),
  inject: [UpstreamClient],
  create: (config, _lifetime, client) => {
    const treatment = new Treatment(config);
    return new HttpBackend(
      {
        type: 'openai',
        nativeApis: OPENAI_APIS.filter((api) => api !== 'messages' && api !== 'count_tokens'),
        missingApis: ['generate', 'messages', 'count_tokens', 'rerank', 'classify', 'score'],
        prepare: (request) => treatment.apply(request),
      },
      client,
    );
  },
});
