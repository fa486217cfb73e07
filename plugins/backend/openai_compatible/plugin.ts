import { API_VERSION, type BackendCall, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';

/**
 * Any server with an OpenAI surface of which nothing else is known: everything is forwarded, what it lacks it says itself.
 * A cloud service gets no fields that only engines know; a server of one's own gets the request as it is.
 */
export default defineBackend({
  type: 'openai_compatible',
  apiVersion: API_VERSION,
  configSchema: treatmentSchema('max_tokens'),
  inject: [UpstreamClient],
  create: (config, _lifetime, client) => {
    const treatment = new Treatment(config);
    return new HttpBackend(
      {
        type: 'openai_compatible',
        nativeApis: [...OPENAI_APIS, 'generate'],
        missingApis: [],
        tokenize: 'messages',
        prepare: (request, { worker }: BackendCall) => {
          if (worker.runtime === 'external') treatment.apply(request);
        },
      },
      client,
    );
  },
});
