import { API_VERSION, Clock, defineDiscovery } from '../../../core/api/index.js';
import { configSchema } from './config.js';
import { DnsDiscovery } from './dns-discovery.js';

export default defineDiscovery({
  type: 'dns',
  apiVersion: API_VERSION,
  configSchema,
  inject: [Clock],
  create: (config, lifetime, clock) => new DnsDiscovery(config, lifetime, clock),
});
