import { API_VERSION, Clock, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, RetryFilterConfig } from './config.js';
import { RetryFilter } from './filter.js';

export default defineFilter({
  type: 'retry',
  apiVersion: API_VERSION,
  nesting: true,
  requires: ['cluster'],
  configSchema,
  inject: [Clock, StatsScope],
  create(config, _lifetime, clock, stats) {
    if (config.attempts === 1 || config.when.length === 0) return undefined;
    const shared = new RetryFilterConfig(config, clock, stats);
    return (callbacks) => new RetryFilter(shared, callbacks);
  },
});
