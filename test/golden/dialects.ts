import type { ClientApi, ClientApiDefinition } from '../../core/api/index.js';
import { FakeClock } from '../../core/testing/fake-clock.js';
import chat from '../../plugins/api/chat/plugin.js';
import completions from '../../plugins/api/completions/plugin.js';
import messages from '../../plugins/api/messages/plugin.js';
import { AnthropicDialect } from '../../plugins/backend/anthropic/dialect.js';
import { anthropicSettingsSchema } from '../../plugins/backend/anthropic/settings.js';
import { createGeminiDialect } from '../../plugins/backend/gemini/dialect.js';
import { configSchema as geminiSchema } from '../../plugins/backend/gemini/settings.js';
import { ChatDialect } from '../../plugins/backend/openai_chat/dialect.js';
import { CHAT_FLAVOURS, type ChatFlavour } from '../../plugins/backend/openai_chat/flavour.js';
import type { WorkerDialect } from '../../plugins/backend/translate/worker-dialect.js';

/** Makes a dialect from the settings of a case; `makeId` gives the ids that it would make up. */
export type DialectFactory = (settings: unknown, makeId: () => string) => WorkerDialect;

/** Wall clock of the cases. */
const GOLDEN_NOW_MS = 1_700_000_000_000;

/** Client apis by the first word of a folder's name. */
export const CLIENT_APIS: Readonly<Record<string, ClientApi>> = {
  chat: apiOf(chat),
  completions: apiOf(completions),
  messages: apiOf(messages),
};

/** Worker dialects by the last. */
export const WORKER_DIALECTS: Readonly<Record<string, DialectFactory>> = {
  anthropic: (settings) =>
    new AnthropicDialect(anthropicSettingsSchema.parse(settings), { nowMs: () => GOLDEN_NOW_MS }, { warn: () => {} }),
  gemini: (settings, makeId) => createGeminiDialect(geminiSchema.parse(settings), { clock: new FakeClock(), makeId }),
  openai: (settings) => {
    const flavour: ChatFlavour = { ...CHAT_FLAVOURS[(settings as { flavour?: keyof typeof CHAT_FLAVOURS }).flavour ?? 'openai'] };
    return new ChatDialect(() => flavour, { nowMs: () => GOLDEN_NOW_MS });
  },
};

function apiOf(definition: ClientApiDefinition<Record<string, never>, readonly []>): ClientApi {
  return definition.create({}, { onDispose: () => undefined }) as ClientApi;
}
