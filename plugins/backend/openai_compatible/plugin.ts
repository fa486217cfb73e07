import { API_VERSION, Clock, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { messagesRules, messagesSetting } from '../http/messages-setting.js';
import { TranslatedApis } from '../http/translated-apis.js';
import { Treatment, treatmentSchema } from '../http/treatment.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS, configuredFlavour } from '../openai_chat/flavour.js';

/**
 * Any server with an OpenAI surface of which nothing else is known: everything is forwarded, what it lacks it says itself.
 * A cloud service gets no fields that only engines know; a server of one's own gets the request as it is.
 */
export default defineBackend({
  type: 'openai_compatible',
  apiVersion: API_VERSION,
  configSchema: treatmentSchema('max_tokens').extend({ messages: messagesSetting }),
  inject: [UpstreamClient, Clock],
  create: (config, _lifetime, client, clock) => {
    const treatment = new Treatment(config);
    const cloud = configuredFlavour(CHAT_FLAVOURS.openai_compatible, config);
    const dialect = new ChatDialect(
      ({ worker }) => (worker.runtime === 'external' ? cloud : CHAT_FLAVOURS.engine),
      clock,
    );
    const forwarding = new HttpBackend(
      {
        type: 'openai_compatible',
        nativeApis: [...OPENAI_APIS, 'generate'],
        missingApis: [],
        tokenize: 'messages',
        prepares: (worker) => worker.runtime === 'external',
        prepare: (request) => treatment.apply(request),
      },
      client,
    );
    return new TranslatedApis(forwarding, dialect, messagesRules(config.messages));
  },
});
