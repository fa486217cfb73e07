import type { Counter, Family, Gauge, StatsScope } from '../../api/stats.js';

/** Metrics of all discoveries. `source` is the type of the discovery. */
export class DiscoveryStats {
  readonly workers: Family<Gauge>;
  readonly found: Family<Counter>;
  readonly lost: Family<Counter>;
  readonly errors: Family<Counter>;

  constructor(stats: StatsScope) {
    this.workers = stats.gauge({
      name: 'smg_discovery_workers_discovered',
      help: 'Workers that a discovery wants, those missing within the grace included',
      labels: ['source', 'cluster'],
    });
    this.found = stats.counter({
      name: 'smg_discovery_registrations_total',
      help: 'Workers that a discovery brought',
      labels: ['source', 'result'],
    });
    this.lost = stats.counter({
      name: 'smg_discovery_deregistrations_total',
      help: 'Workers that a discovery took away',
      labels: ['source', 'reason'],
    });
    this.errors = stats.counter({
      name: 'smg_discovery_snapshot_errors_total',
      help: 'Times that a discovery could not find out what is wanted; the last list stays',
      labels: ['source', 'reason'],
    });
  }
}
