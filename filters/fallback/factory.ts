import { API_VERSION, Clock, Clusters, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, FallbackFilterConfig } from './config.js';
import { FallbackFilter } from './filter.js';

export default defineFilter({
  type: 'fallback',
  apiVersion: API_VERSION,
  nesting: true,
  requires: ['cluster'],
  configSchema,
  inject: [Clusters, Clock, StatsScope],
  create(config, _lifetime, clusters, clock, stats) {
    if (config.to.length === 0 && config.rules.length === 0) return undefined;
    const shared = new FallbackFilterConfig(config, clusters, clock, stats);
    return (callbacks) => new FallbackFilter(shared, callbacks);
  },
});
