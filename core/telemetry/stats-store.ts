import { BugError } from '../api/errors.js';
import type { Counter, Family, Gauge, Histogram, MetricSpec, StatsScope } from '../api/stats.js';
import { CounterSeries, GaugeSeries, HistogramSeries } from './series.js';

/** Series of one family when its spec does not say. */
const DEFAULT_MAX_SERIES = 1000;
/** The same where a label is the id of a worker: those are ours to count, and a fleet has thousands. */
const WORKER_MAX_SERIES = 20_000;
/** Label value of the series that takes what does not fit any more. */
const OTHER = 'other';
/** Between the label values of a series' key; refused nowhere, since a clash would only merge two series. */
const KEY_SEPARATOR = '\u0000';

type Series = CounterSeries | GaugeSeries | HistogramSeries;
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One metric with all its series, as the exposition reads it. */
export class MetricFamily<S extends Series> implements Family<S> {
  readonly type: MetricType;
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets: readonly number[];
  readonly #maxSeries: number;
  readonly #create: (labelText: string) => S;
  readonly #onOverflow: (name: string) => void;
  readonly #series = new Map<string, S>();
  #other: S | undefined = undefined;
  /** Keys by position of a label and its value; only for labels that series were removed by. */
  readonly #keysByLabel = new Map<number, Map<string, string[]>>();

  constructor(
    type: MetricType,
    spec: MetricSpec,
    buckets: readonly number[],
    create: (labelText: string) => S,
    onOverflow: (name: string) => void,
  ) {
    this.type = type;
    this.name = spec.name;
    this.help = spec.help;
    this.labels = spec.labels ?? [];
    this.buckets = buckets;
    this.#maxSeries = spec.maxSeries ?? (this.labels.includes('worker') ? WORKER_MAX_SERIES : DEFAULT_MAX_SERIES);
    this.#create = create;
    this.#onOverflow = onOverflow;
  }

  /** Number of series, the `other` one included. */
  get size(): number {
    return this.#series.size + (this.#other === undefined ? 0 : 1);
  }

  with(...labelValues: string[]): S {
    const key = this.#keyOf(labelValues);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= this.#maxSeries) return this.#overflow();
    const series = this.#create(renderLabels(this.labels, labelValues));
    this.#series.set(key, series);
    for (const [index, keys] of this.#keysByLabel) addKey(keys, labelValues[index] as string, key);
    return series;
  }

  remove(...labelValues: string[]): void {
    const key = this.#keyOf(labelValues);
    if (!this.#series.delete(key)) return;
    for (const [index, keys] of this.#keysByLabel) removeKey(keys, labelValues[index] as string, key);
  }

  /** Forgets every series in which this label has this value; nothing when the family lacks the label. */
  removeLabelled(label: string, value: string): void {
    const index = this.labels.indexOf(label);
    if (index < 0) return;
    const keys = this.#keysOf(index);
    for (const key of keys.get(value) ?? []) this.#series.delete(key);
    keys.delete(value);
  }

  /** Visits the series in order of creation. */
  forEach(visit: (series: S) => void): void {
    for (const series of this.#series.values()) visit(series);
    if (this.#other !== undefined) visit(this.#other);
  }

  /** Made at the first removal by this label, kept up to date from then on: a fleet comes and goes one by one. */
  #keysOf(index: number): Map<string, string[]> {
    let keys = this.#keysByLabel.get(index);
    if (keys === undefined) {
      keys = new Map();
      for (const key of this.#series.keys()) addKey(keys, key.split(KEY_SEPARATOR)[index] as string, key);
      this.#keysByLabel.set(index, keys);
    }
    return keys;
  }

  #keyOf(labelValues: readonly string[]): string {
    if (labelValues.length !== this.labels.length) {
      throw new BugError(`metric ${this.name} has ${this.labels.length} labels, got ${labelValues.length} values`);
    }
    return labelValues.length === 1 ? (labelValues[0] as string) : labelValues.join(KEY_SEPARATOR);
  }

  #overflow(): S {
    this.#onOverflow(this.name);
    this.#other ??= this.#create(
      renderLabels(
        this.labels,
        this.labels.map(() => OTHER),
      ),
    );
    return this.#other;
  }
}

/**
 * All metrics of the process. Lives as long as the process, so counters go on over reloads. Declaring and binding cost
 * map look-ups and belong to load time; a bound series costs one add.
 */
export class StatsStore implements StatsScope {
  readonly #families = new Map<string, MetricFamily<Series>>();
  readonly #overflows: Family<Counter>;
  readonly #onOverflow = (name: string): void => this.#overflows.with(name).inc();

  constructor() {
    this.#overflows = this.counter({
      name: 'smg_metrics_series_overflow_total',
      help: 'Bindings that landed in the series `other` because their metric had its largest number of series',
      labels: ['metric'],
    });
  }

  counter(spec: MetricSpec): Family<Counter> {
    return this.#declare('counter', spec, [], (labelText) => new CounterSeries(labelText));
  }

  gauge(spec: MetricSpec): Family<Gauge> {
    return this.#declare('gauge', spec, [], (labelText) => new GaugeSeries(labelText));
  }

  histogram(spec: MetricSpec & { readonly buckets: readonly number[] }): Family<Histogram> {
    const buckets = spec.buckets.slice();
    if (buckets.some((bound, index) => index > 0 && bound <= (buckets[index - 1] as number))) {
      throw new BugError(`metric ${spec.name}: bucket bounds must ascend`);
    }
    return this.#declare('histogram', spec, buckets, (labelText) => new HistogramSeries(labelText, buckets));
  }

  /**
   * A gauge series whose value is asked for at every scrape. A later call for the same series replaces the source.
   * Returns the function that forgets the series, unless it was replaced meanwhile.
   */
  gaugeCallback(spec: MetricSpec, read: () => number, ...labelValues: string[]): () => void {
    const family = this.#declare('gauge', spec, [], (labelText) => new GaugeSeries(labelText));
    const series = family.with(...labelValues);
    series.read = read;
    return () => {
      if (series.read === read) family.remove(...labelValues);
    };
  }

  /** A counter without labels that something else counts; it is asked at every scrape. */
  counterCallback(spec: MetricSpec, read: () => number): void {
    this.#declare('counter', spec, [], (labelText) => new CounterSeries(labelText)).with().read = read;
  }

  /** Forgets, in every metric, the series in which `label` is `value`: a removed worker. */
  removeLabelled(label: string, value: string): void {
    for (const family of this.#families.values()) family.removeLabelled(label, value);
  }

  /** Families in order of declaration. */
  families(): IterableIterator<MetricFamily<Series>> {
    return this.#families.values();
  }

  #declare<S extends Series>(
    type: MetricType,
    spec: MetricSpec,
    buckets: readonly number[],
    create: (labelText: string) => S,
  ): MetricFamily<S> {
    const known = this.#families.get(spec.name);
    if (known !== undefined) {
      const labels = spec.labels ?? [];
      if (known.type !== type || known.labels.join() !== labels.join()) {
        throw new BugError(`metric ${spec.name} is already declared as ${known.type} with labels (${known.labels})`);
      }
      return known as MetricFamily<Series> as MetricFamily<S>;
    }
    checkNames(spec);
    const family = new MetricFamily<S>(type, spec, buckets, create, this.#onOverflow);
    this.#families.set(spec.name, family as unknown as MetricFamily<Series>);
    return family;
  }
}

function addKey(keys: Map<string, string[]>, value: string, key: string): void {
  const known = keys.get(value);
  if (known === undefined) keys.set(value, [key]);
  else known.push(key);
}

function removeKey(keys: Map<string, string[]>, value: string, key: string): void {
  const left = keys.get(value)?.filter((other) => other !== key) ?? [];
  if (left.length === 0) keys.delete(value);
  else keys.set(value, left);
}

function checkNames(spec: MetricSpec): void {
  const bad = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(spec.name)
    ? (spec.labels ?? []).find((label) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label))
    : spec.name;
  if (bad !== undefined) throw new BugError(`not a Prometheus name: ${bad}`);
}

function renderLabels(labels: readonly string[], values: readonly string[]): string {
  return labels.map((label, index) => `${label}="${escapeLabelValue(values[index] as string)}"`).join(',');
}

/** Escapes what the text format reserves inside a label value. */
function escapeLabelValue(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}
