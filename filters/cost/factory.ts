import { API_VERSION, defineFilter, StatsScope } from '../../core/api/index.js';
import { configSchema, isEnabled } from './config.js';
import { CostLedger } from './cost-ledger.js';
import { CostFilter } from './filter.js';
import { loadPriceTables } from './price-sources.js';

/** What requests cost. See README.md beside this file. */
export default defineFilter({
  type: 'cost',
  apiVersion: API_VERSION,
  requires: ['inference_request'],
  configSchema,
  inject: [StatsScope],
  async create(config, _lifetime, stats) {
    if (!isEnabled(config)) return undefined;
    const ledger = new CostLedger(await loadPriceTables(config), config.currency, stats);
    const shared = { ledger, header: config.header };
    return (callbacks) =>
      callbacks.streamInfo.api?.generates === false ? undefined : new CostFilter(shared, callbacks);
  },
});
