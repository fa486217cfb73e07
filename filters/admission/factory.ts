import { API_VERSION, Clock, defineFilter, KeptState, ShutdownSignal, StatsScope } from '../../core/api/index.js';
import { configSchema } from './config.js';
import { AdmissionConfig, AdmissionFilter, applyLimits } from './filter.js';
import { PermitQueue } from './permit-queue.js';

/** Bounds how many requests run at once; the others wait in order. See README.md beside this file. */
export default defineFilter({
  type: 'admission',
  apiVersion: API_VERSION,
  configSchema,
  inject: [Clock, StatsScope, KeptState, ShutdownSignal],
  create(config, lifetime, clock, stats, kept, shutdown) {
    // Also where there is no limit any more: older generations may have requests that wait.
    const permits = kept.keep(
      () => new PermitQueue(),
      (queue) => applyLimits(config, queue),
    );
    if (config.max === 0) return undefined;
    const shared = new AdmissionConfig(config, permits, clock, stats);
    const forget = shutdown.onDrain((cutMs) => shared.onDrain(cutMs));
    lifetime.onDispose(() => {
      forget();
      shared.dispose();
    });
    return (callbacks) =>
      callbacks.streamInfo.api?.generates === false ? undefined : new AdmissionFilter(shared, callbacks);
  },
});
