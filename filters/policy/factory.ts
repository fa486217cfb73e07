import { API_VERSION, Clock, defineFilter, Policies, StatsScope } from '../../core/api/index.js';
import { configSchema, PolicyFilterConfig } from './config.js';
import { PolicyFilter } from './filter.js';

export default defineFilter({
  type: 'policy',
  apiVersion: API_VERSION,
  requires: ['cluster'],
  provides: ['worker'],
  configSchema,
  inject: [Policies, Clock, StatsScope],
  create(_config, _lifetime, policies, clock, stats) {
    const shared = new PolicyFilterConfig(policies, clock, stats);
    return (callbacks) => new PolicyFilter(shared, callbacks);
  },
});
