import type { ClientApi } from '../../core/api/index.js';
import type { WorkerDialect } from '../../plugins/backend/translate/worker-dialect.js';

/** Makes a dialect from the settings of a case; `makeId` gives the ids that it would make up. */
export type DialectFactory = (settings: unknown, makeId: () => string) => WorkerDialect;

/** Client apis by the first word of a folder's name. */
export const CLIENT_APIS: Readonly<Record<string, ClientApi>> = {};

/** Worker dialects by the last. */
export const WORKER_DIALECTS: Readonly<Record<string, DialectFactory>> = {};
