import { API_VERSION, Clock, defineBackend, UpstreamClient } from '../../../core/api/index.js';
import { TranslatingBackend } from '../translate/translating-backend.js';
import { createGeminiDialect } from './dialect.js';
import { configSchema } from './settings.js';

/** Google's Gemini API. */
export default defineBackend({
  type: 'gemini',
  apiVersion: API_VERSION,
  configSchema,
  inject: [UpstreamClient, Clock],
  create: (settings, _lifetime, client, clock) =>
    new TranslatingBackend(createGeminiDialect(settings, { clock }), client),
});
