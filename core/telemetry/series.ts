import type { Counter, Gauge, Histogram } from '../api/stats.js';

/** A counter series; `value` is read by the exposition, unless `read` gives it. */
export class CounterSeries implements Counter {
  /** Rendered label pairs, without braces: `method="GET",path="/x"`; empty for a family without labels. */
  readonly labelText: string;
  value = 0;
  read: (() => number) | undefined = undefined;

  constructor(labelText: string) {
    this.labelText = labelText;
  }

  inc(by = 1): void {
    this.value += by;
  }
}

/** A gauge series; with `read` it is asked at every scrape and what was set is ignored. */
export class GaugeSeries implements Gauge {
  readonly labelText: string;
  value = 0;
  read: (() => number) | undefined = undefined;

  constructor(labelText: string) {
    this.labelText = labelText;
  }

  set(value: number): void {
    this.value = value;
  }

  inc(by = 1): void {
    this.value += by;
  }

  dec(by = 1): void {
    this.value -= by;
  }
}

/** A distribution over fixed buckets. An observation is one search and two adds; nothing is allocated. */
export class HistogramSeries implements Histogram {
  readonly labelText: string;
  /** Upper bounds, ascending; a value on a bound belongs to that bucket. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative; the last one is +Inf. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(labelText: string, bounds: readonly number[]) {
    this.labelText = labelText;
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (bounds[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.counts[low] = (this.counts[low] as number) + 1;
    this.sum += value;
  }
}
