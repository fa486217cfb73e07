import type { Clock, Gauge, StatsScope, Timer } from '../../core/api/index.js';

/** How often the ages are counted. */
const SAMPLE_INTERVAL_MS = 20_000;
/** Upper bounds of the age classes, seconds; a value on a bound belongs below it. */
const BOUNDS_S = [30, 60, 180, 300, 600, 1200, 3600, 7200, 14_400, 28_800, 86_400];

/** A request in flight, linked into the list of its generation. */
export interface InflightEntry {
  readonly startedMs: number;
  previous: InflightEntry | undefined;
  next: InflightEntry | undefined;
}

/** Knows the requests in flight and counts them by age now and then. Adding and removing cost two writes. */
export class InflightAges {
  readonly #clock: Clock;
  readonly #gauges: readonly Gauge[];
  /** What this generation has put into the gauges, which all generations share. */
  readonly #counted: number[];
  #first: InflightEntry | undefined = undefined;
  #timer: Timer;

  constructor(stats: StatsScope, clock: Clock) {
    this.#clock = clock;
    const family = stats.gauge({
      name: 'smg_http_inflight_request_age_count',
      help: 'Requests in flight by age in seconds, above gt and up to le; not cumulative, counted every 20 s',
      labels: ['gt', 'le'],
    });
    const edges = ['0', ...BOUNDS_S.map(String), '+Inf'];
    this.#gauges = edges.slice(1).map((le, index) => family.with(edges[index] as string, le));
    this.#counted = this.#gauges.map(() => 0);
    this.#timer = this.#schedule();
  }

  add(entry: InflightEntry): void {
    entry.next = this.#first;
    if (this.#first !== undefined) this.#first.previous = entry;
    this.#first = entry;
  }

  remove(entry: InflightEntry): void {
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next !== undefined) entry.next.previous = entry.previous;
  }

  /** Takes back what this generation counted. */
  dispose(): void {
    this.#timer.cancel();
    this.#publish(this.#counted.map(() => 0));
  }

  #schedule(): Timer {
    return this.#clock.setTimer(SAMPLE_INTERVAL_MS, () => {
      this.#sample();
      this.#timer = this.#schedule();
    });
  }

  #sample(): void {
    const now = this.#clock.monotonicMs();
    const counts = this.#counted.map(() => 0);
    for (let entry = this.#first; entry !== undefined; entry = entry.next) {
      const ageS = (now - entry.startedMs) / 1000;
      const index = BOUNDS_S.findIndex((bound) => ageS <= bound);
      const bucket = index < 0 ? BOUNDS_S.length : index;
      counts[bucket] = (counts[bucket] as number) + 1;
    }
    this.#publish(counts);
  }

  #publish(counts: readonly number[]): void {
    counts.forEach((count, index) => {
      this.#gauges[index]?.inc(count - (this.#counted[index] as number));
      this.#counted[index] = count;
    });
  }
}
