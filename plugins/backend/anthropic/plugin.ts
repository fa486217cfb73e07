import { API_VERSION, Clock, defineBackend, Logger, UpstreamClient } from '../../../core/api/index.js';
import { TranslatingBackend } from '../translate/translating-backend.js';
import { AnthropicDialect } from './dialect.js';
import { anthropicSettingsSchema } from './settings.js';

/** Anthropic's Messages API: its own clients are forwarded byte for byte, all others translated. */
export default defineBackend({
  type: 'anthropic',
  apiVersion: API_VERSION,
  configSchema: anthropicSettingsSchema,
  inject: [UpstreamClient, Clock, Logger],
  create: (settings, _lifetime, client, clock, logger) =>
    new TranslatingBackend(new AnthropicDialect(settings, clock, logger), client),
});
