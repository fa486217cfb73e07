import type { Counter, Family, Gauge, StatsScope } from '../../api/stats.js';

/** Metrics of all discoveries. `source` is the type of the discovery. */
export class DiscoveryStats {
  readonly found: Family<Counter>;
  readonly lost: Family<Counter>;
  readonly errors: Family<Counter>;
  readonly #workers: Family<Gauge>;
  /** Whose number a series shows: while two configurations overlap there are two feeds with the same labels. */
  readonly #owners = new Map<string, object>();

  constructor(stats: StatsScope) {
    this.#workers = stats.gauge({
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

  /** The series of this source and cluster is the feed's from now on, whoever had it. */
  own(feed: object, source: string, cluster: string): void {
    this.#owners.set(keyOf(source, cluster), feed);
  }

  /** Without effect for a feed that does not own the series. */
  setWorkers(feed: object, source: string, cluster: string, count: number): void {
    if (this.#owners.get(keyOf(source, cluster)) === feed) this.#workers.with(source, cluster).set(count);
  }

  /** Ends the series, unless it is another feed's by now. */
  disown(feed: object, source: string, cluster: string): void {
    if (this.#owners.get(keyOf(source, cluster)) !== feed) return;
    this.#owners.delete(keyOf(source, cluster));
    this.#workers.remove(source, cluster);
  }
}

function keyOf(source: string, cluster: string): string {
  return `${source}\n${cluster}`;
}
