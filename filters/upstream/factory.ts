import { API_VERSION, Backends, Clock, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, UpstreamFilterConfig } from './config.js';
import { UpstreamFilter } from './filter.js';

export default defineFilter({
  type: 'upstream',
  apiVersion: API_VERSION,
  terminal: true,
  requires: ['worker'],
  configSchema,
  inject: [Backends, Clock, StatsScope],
  create(config, _lifetime, backends, clock, stats) {
    const shared = new UpstreamFilterConfig(config, backends, clock, stats);
    return (callbacks) => new UpstreamFilter(shared, callbacks);
  },
});
