import { API_VERSION, Clock, defineFilter, KeptState, StatsScope } from '../../core/api/index.js';
import { configSchema, limitsAnything } from './config.js';
import { RateLimitConfig, RateLimitFilter } from './filter.js';
import { RequestBuckets } from './request-buckets.js';

/** Bounds how many requests come per time. See README.md beside this file. */
export default defineFilter({
  type: 'rate_limit',
  apiVersion: API_VERSION,
  configSchema,
  inject: [Clock, StatsScope, KeptState],
  create(config, _lifetime, clock, stats, kept) {
    if (!limitsAnything(config)) return undefined;
    const evicted = stats.counter({
      name: 'smg_rate_limit_evicted_total',
      help: 'Callers that were forgotten before their time because max_keys others came',
    });
    const buckets = kept.keep(
      () => new RequestBuckets(() => evicted.with().inc()),
      (value) => value.setMaxKeys(config.maxKeys),
    );
    const shared = new RateLimitConfig(config, buckets, clock, stats);
    return (callbacks) => new RateLimitFilter(shared, callbacks);
  },
});
