import { API_VERSION, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema } from './config.js';
import { AuthConfig, AuthFilter } from './filter.js';
import { KeyRing } from './key-ring.js';

/** Asks for a gateway key. See README.md beside this file. */
export default defineFilter({
  type: 'auth',
  apiVersion: API_VERSION,
  appliesTo: 'every_request',
  configSchema,
  inject: [StatsScope],
  create(config, _lifetime, stats) {
    const keys = new KeyRing(config);
    if (keys.size === 0) return undefined;
    const shared = new AuthConfig(keys, stats);
    return (callbacks) => new AuthFilter(shared, callbacks);
  },
});
