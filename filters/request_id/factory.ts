import { API_VERSION, defineFilter } from '../../core/api/index.js';
import { configSchema } from './config.js';
import { RequestIdConfig, RequestIdFilter } from './filter.js';
import { IdGenerator } from './id-generator.js';

/** Gives every request an id. See README.md beside this file. */
export default defineFilter({
  type: 'request_id',
  apiVersion: API_VERSION,
  appliesTo: 'every_request',
  configSchema,
  inject: [],
  create(config) {
    const shared = new RequestIdConfig(config.headers, new IdGenerator());
    return (callbacks) => new RequestIdFilter(shared, callbacks);
  },
});
