import { API_VERSION, Clock, Clusters, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, MirrorFilterConfig } from './config.js';
import { MirrorFilter } from './filter.js';

export default defineFilter({
  type: 'mirror',
  apiVersion: API_VERSION,
  nesting: true,
  requires: ['cluster'],
  configSchema,
  inject: [Clusters, Clock, StatsScope],
  create(config, lifetime, clusters, clock, stats) {
    if (config.cluster === undefined || config.percent === 0) return undefined;
    const shared = new MirrorFilterConfig(config, config.cluster, clusters, clock, stats);
    lifetime.onDispose(() => shared.close());
    return (callbacks) => new MirrorFilter(shared, callbacks);
  },
});
