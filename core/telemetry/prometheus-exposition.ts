import { type CounterSeries, type GaugeSeries, HistogramSeries } from './series.js';
import type { MetricFamily, StatsStore } from './stats-store.js';

/** `Content-Type` of {@link renderPrometheus}. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** All metrics in the Prometheus text format 0.0.4. A family without series is left out. */
export function renderPrometheus(store: StatsStore): string {
  const lines: string[] = [];
  for (const family of store.families()) if (family.size > 0) renderFamily(family, lines);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function renderFamily(family: MetricFamily<CounterSeries | GaugeSeries | HistogramSeries>, lines: string[]): void {
  const { name } = family;
  lines.push(`# HELP ${name} ${escapeHelp(family.help)}`, `# TYPE ${name} ${family.type}`);
  family.forEach((series) => {
    if (series instanceof HistogramSeries) renderHistogram(name, series, lines);
    else lines.push(`${withLabels(name, series.labelText)} ${formatValue(currentValue(series))}`);
  });
}

/** A source that throws reads as NaN, so that one bad gauge does not cost the whole scrape. */
function currentValue(series: CounterSeries | GaugeSeries): number {
  if (series.read === undefined) return series.value;
  try {
    return series.read();
  } catch {
    return Number.NaN;
  }
}

function renderHistogram(name: string, series: HistogramSeries, lines: string[]): void {
  const { bounds, counts, labelText } = series;
  const prefix = labelText === '' ? `${name}_bucket{le="` : `${name}_bucket{${labelText},le="`;
  let cumulative = 0;
  for (let i = 0; i < bounds.length; i++) {
    cumulative += counts[i] as number;
    lines.push(`${prefix}${formatValue(bounds[i] as number)}"} ${cumulative}`);
  }
  cumulative += counts[bounds.length] as number;
  lines.push(`${prefix}+Inf"} ${cumulative}`);
  lines.push(`${withLabels(`${name}_sum`, labelText)} ${formatValue(series.sum)}`);
  lines.push(`${withLabels(`${name}_count`, labelText)} ${cumulative}`);
}

function withLabels(name: string, labelText: string): string {
  return labelText === '' ? name : `${name}{${labelText}}`;
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
