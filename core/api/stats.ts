import { createToken, type InjectionToken } from './injection.js';

/** One series that only grows. */
export interface Counter {
  inc(by?: number): void;
}

/** One series that goes up and down. */
export interface Gauge {
  set(value: number): void;
  inc(by?: number): void;
  dec(by?: number): void;
}

/** One distribution; `value` in the unit that its name says. */
export interface Histogram {
  observe(value: number): void;
}

/**
 * A metric with labels. `with` gives the series of these label values, creating it on first use: bind at load where the
 * values are known, cache the result where they are not. A family holds at most `maxSeries` series; what comes after
 * lands in one series whose labels are all `other`, so clients cannot grow memory.
 */
export interface Family<Metric> {
  with(...labelValues: string[]): Metric;
  /** Forgets one series (a removed worker). */
  remove(...labelValues: string[]): void;
}

export interface MetricSpec<Labels extends readonly string[] = readonly string[]> {
  /** Full Prometheus name, `smg_…`, with unit suffix. */
  readonly name: string;
  readonly help: string;
  /** Names of its labels. Values must come from a bounded set (types, codes, models, workers), never from users. */
  readonly labels?: Labels;
  /** Default 1,000. */
  readonly maxSeries?: number;
}

/**
 * Where metrics are declared. Declaring the same name again gives the same family, so counters live over reloads; a
 * different type or other labels under a used name throw BugError.
 */
export interface StatsScope {
  counter(spec: MetricSpec): Family<Counter>;
  gauge(spec: MetricSpec): Family<Gauge>;
  /** `buckets`: upper bounds, ascending, without +Inf. */
  histogram(spec: MetricSpec & { readonly buckets: readonly number[] }): Family<Histogram>;
}

export const StatsScope: InjectionToken<StatsScope> = createToken('StatsScope');
