import { API_VERSION, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema } from './config.js';
import { CorsRules } from './cors-rules.js';
import { CorsConfig, CorsFilter } from './filter.js';

/** Lets pages of other origins call the gateway. See README.md beside this file. */
export default defineFilter({
  type: 'cors',
  apiVersion: API_VERSION,
  appliesTo: 'every_request',
  configSchema,
  inject: [StatsScope],
  create(config, _lifetime, stats) {
    if (config.allow_origins.length === 0) return undefined;
    const preflights = stats.counter({
      name: 'smg_cors_preflights_total',
      help: 'CORS preflights answered, by whether the origin is allowed',
      labels: ['result'],
    });
    const shared = new CorsConfig(new CorsRules(config), preflights.with('allowed'), preflights.with('refused'));
    return (callbacks) => new CorsFilter(shared, callbacks);
  },
});
