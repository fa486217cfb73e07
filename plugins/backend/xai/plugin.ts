import { API_VERSION, Clock, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { TranslatedApis } from '../http/translated-apis.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS, configuredFlavour } from '../openai_chat/flavour.js';
import { prepareXaiResponses } from './responses-input.js';

/** xAI's API: OpenAI's, with an input of Responses of its own. */
export default defineBackend({
  type: 'xai',
  apiVersion: API_VERSION,
  configSchema: treatmentSchema('as_sent'),
  inject: [UpstreamClient, Clock],
  create: (config, _lifetime, client, clock) => {
    const treatment = new Treatment(config);
    const flavour = configuredFlavour(CHAT_FLAVOURS.xai, config);
    const forwarding = new HttpBackend(
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
    return new TranslatedApis(forwarding, new ChatDialect(() => flavour, clock), {
      always: ['messages'],
      whereMissing: [],
    });
  },
});
