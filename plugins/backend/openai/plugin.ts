import { API_VERSION, Clock, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { TranslatedApis } from '../http/translated-apis.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS, configuredFlavour } from '../openai_chat/flavour.js';

/** OpenAI's own API. What its newer models call `max_completion_tokens`, it takes for all. */
export default defineBackend({
  type: 'openai',
  apiVersion: API_VERSION,
  configSchema: treatmentSchema('max_completion_tokens'),
  inject: [UpstreamClient, Clock],
  create: (config, _lifetime, client, clock) => {
    const treatment = new Treatment(config);
    const flavour = configuredFlavour(CHAT_FLAVOURS.openai, config);
    const forwarding = new HttpBackend(
      {
        type: 'openai',
        nativeApis: OPENAI_APIS.filter((api) => api !== 'messages' && api !== 'count_tokens'),
        missingApis: ['generate', 'messages', 'count_tokens', 'rerank', 'classify', 'score'],
        prepare: (request) => treatment.apply(request),
      },
      client,
    );
    return new TranslatedApis(forwarding, new ChatDialect(() => flavour, clock), {
      always: ['messages'],
      whereMissing: [],
    });
  },
});
