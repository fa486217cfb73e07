import { API_VERSION, Clock, defineBackend, KeptState, UpstreamClient } from '../../../core/api/index.js';
import { TranslatingBackend } from '../translate/translating-backend.js';
import { createGeminiDialect } from './dialect.js';
import { createOpenAiEndpoint } from './openai-endpoint.js';
import { configSchema } from './settings.js';
import { ThoughtSignatures } from './thought-signatures.js';

/** Google's Gemini API, or its endpoint for OpenAI's clients. */
export default defineBackend({
  type: 'gemini',
  apiVersion: API_VERSION,
  configSchema,
  inject: [UpstreamClient, Clock, KeptState],
  create: (settings, _lifetime, client, clock, kept) => {
    // Also while the other dialect is spoken: a conversation may go on after a reload.
    const signatures = kept.keep(
      () => new ThoughtSignatures(clock),
      () => undefined,
    );
    if (settings.dialect === 'openai') return createOpenAiEndpoint(settings, client, clock);
    return new TranslatingBackend(createGeminiDialect(settings, { clock, signatures }), client);
  },
});
