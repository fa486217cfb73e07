import { API_VERSION, Clock, Clusters, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, SplitFilterConfig } from './config.js';
import { SplitFilter } from './filter.js';

/** Sends a share of the requests to other clusters. See README.md beside this file. */
export default defineFilter({
  type: 'split',
  apiVersion: API_VERSION,
  requires: ['cluster'],
  configSchema,
  inject: [Clusters, Clock, StatsScope],
  create(config, _lifetime, clusters, clock, stats) {
    if (Object.keys(config.clusters).length === 0) return undefined;
    const shared = new SplitFilterConfig(config, clusters, clock, stats);
    return (callbacks) => new SplitFilter(shared, callbacks);
  },
});
