import { API_VERSION, Clock, defineDiscovery } from '../../../core/api/index.js';
import { configSchema } from './config.js';
import { FileDiscovery } from './file-discovery.js';

export default defineDiscovery({
  type: 'file',
  apiVersion: API_VERSION,
  configSchema,
  inject: [Clock],
  create: (config, lifetime, clock) => new FileDiscovery(config, lifetime, clock),
});
