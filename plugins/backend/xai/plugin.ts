import { API_VERSION, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';
import { prepareXaiResponses } from './responses-input.js';

/** xAI's API: OpenAI's, with an input of Responses of its own. */
export default defineBackend({
  type: 'xai',
  apiVersion: API_VERSION,
  configSchema: treatmentSchema('as_sent'),
  inject: [UpstreamClient],
  create: (config, _lifetime, client) => {
    const treatment = new Treatment(config);
    return new HttpBackend(
      {
        type: 'xai',
        nativeApis: OPENAI_APIS.filter((api) => api !== 'messages' && api !== 'count_tokens'),
        missingApis: ['generate', 'messages', 'count_tokens', 'rerank', 'classify', 'score', 'audio_transcriptions'],
        prepare: (request) => {
          treatment.apply(request);
          prepareXaiResponses(request);
        },
      },
      client,
    );
  },
});
