import { AccessLog, API_VERSION, Clock, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema } from './config.js';
import { TelemetryConfig, TelemetryFilter } from './filter.js';

/** Metrics and access log of every request. See README.md beside this file. */
export default defineFilter({
  type: 'telemetry',
  apiVersion: API_VERSION,
  appliesTo: 'every_request',
  configSchema,
  inject: [Clock, StatsScope, AccessLog],
  create(config, lifetime, clock, stats, accessLog) {
    const shared = new TelemetryConfig(config, clock, stats, accessLog);
    lifetime.onDispose(() => shared.ages.dispose());
    return (callbacks) => new TelemetryFilter(shared, callbacks);
  },
});
