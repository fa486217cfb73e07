import type { ClientApi, ClientApiDefinition } from '../../core/api/index.js';
import chat from '../../plugins/api/chat/plugin.js';
import completions from '../../plugins/api/completions/plugin.js';
import messages from '../../plugins/api/messages/plugin.js';
import type { WorkerDialect } from '../../plugins/backend/translate/worker-dialect.js';

/** Makes a dialect from the settings of a case; `makeId` gives the ids that it would make up. */
export type DialectFactory = (settings: unknown, makeId: () => string) => WorkerDialect;

/** Client apis by the first word of a folder's name. */
export const CLIENT_APIS: Readonly<Record<string, ClientApi>> = {
  chat: apiOf(chat),
  completions: apiOf(completions),
  messages: apiOf(messages),
};

/** Worker dialects by the last. */
export const WORKER_DIALECTS: Readonly<Record<string, DialectFactory>> = {};

function apiOf(definition: ClientApiDefinition<Record<string, never>, readonly []>): ClientApi {
  return definition.create({}, { onDispose: () => undefined }) as ClientApi;
}
