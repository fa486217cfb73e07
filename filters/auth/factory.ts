import { API_VERSION, defineFilter, Logger, StatsScope } from '../../core/api/index.js';
import { AuditLog } from './audit-log.js';
import { configSchema } from './config.js';
import { AuditedAuthFilter, AuthConfig, AuthFilter } from './filter.js';
import { KeyRing } from './key-ring.js';

/** Asks for a gateway key. See README.md beside this file. */
export default defineFilter({
  type: 'auth',
  apiVersion: API_VERSION,
  appliesTo: 'every_request',
  provides: ['access_control', 'principal'],
  configSchema,
  inject: [StatsScope, Logger],
  create(config, _lifetime, stats, log) {
    const keys = new KeyRing(config);
    if (!keys.protectsData && !keys.hasAdministrators) return undefined;
    const shared = new AuthConfig(keys, stats);
    const audit = config.admin.audit ? new AuditLog(log) : undefined;
    return (callbacks) =>
      audit !== undefined && callbacks.streamInfo.accessClass === 'control'
        ? new AuditedAuthFilter(shared, audit, callbacks)
        : new AuthFilter(shared, callbacks);
  },
});
