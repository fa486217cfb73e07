import * as z from 'zod';
import { API_VERSION, Clock, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { HttpBackend, OPENAI_APIS } from '../http/http-backend.js';
import { messagesRules, messagesSetting } from '../http/messages-setting.js';
import { TranslatedApis } from '../http/translated-apis.js';
import { ChatDialect } from '../openai_chat/dialect.js';
import { CHAT_FLAVOURS } from '../openai_chat/flavour.js';

/** vLLM's HTTP server: the OpenAI surface; it has no `/generate`. */
export default defineBackend({
  type: 'vllm_http',
  apiVersion: API_VERSION,
  configSchema: z.strictObject({ messages: messagesSetting }),
  inject: [UpstreamClient, Clock],
  create: (config, _lifetime, client, clock) =>
    new TranslatedApis(
      new HttpBackend(
        { type: 'vllm_http', nativeApis: OPENAI_APIS, missingApis: ['generate'], tokenize: 'messages' },
        client,
      ),
      new ChatDialect(() => CHAT_FLAVOURS.engine, clock),
      messagesRules(config.messages),
    ),
});
