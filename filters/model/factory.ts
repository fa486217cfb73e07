import { API_VERSION, Clock, Clusters, defineFilter } from '../../core/api/index.js';
import { configSchema, ModelFilterConfig } from './config.js';
import { ModelFilter } from './filter.js';

export default defineFilter({
  type: 'model',
  apiVersion: API_VERSION,
  requires: ['inference_request'],
  provides: ['cluster', 'route'],
  configSchema,
  inject: [Clusters, Clock],
  create(config, _lifetime, clusters, clock) {
    const shared = new ModelFilterConfig(config, clusters, clock);
    return (callbacks) => new ModelFilter(shared, callbacks);
  },
});
