import { API_VERSION, Clock, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, InferenceFilterConfig } from './config.js';
import { InferenceFilter } from './filter.js';

export default defineFilter({
  type: 'inference',
  apiVersion: API_VERSION,
  provides: ['inference_request'],
  configSchema,
  inject: [Clock, StatsScope],
  create(config, _lifetime, clock, stats) {
    const shared = new InferenceFilterConfig(config, clock, stats);
    return (callbacks) => {
      const api = callbacks.streamInfo.api;
      return api === undefined ? undefined : new InferenceFilter(shared, api, callbacks);
    };
  },
});
