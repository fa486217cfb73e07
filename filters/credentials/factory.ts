import { API_VERSION, defineFilter } from '../../core/api/index.js';
import { ClearTextWorkers } from './clear-text.js';
import { configSchema } from './config.js';
import { CredentialsFilter } from './filter.js';

/** Gives each worker its key. See README.md beside this file. */
export default defineFilter({
  type: 'credentials',
  apiVersion: API_VERSION,
  requires: ['worker'],
  configSchema,
  inject: [],
  create(config) {
    const clearText = new ClearTextWorkers();
    return (callbacks) => new CredentialsFilter({ ...config, clearText }, callbacks);
  },
});
