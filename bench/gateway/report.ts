import type { BenchRecord, StartRecord } from './bench-record.js';
import { renderGoals } from './goals.js';
import { formatNumber, renderMarkdownTable } from './markdown-table.js';
import {
  countingSamples,
  cpuUsPerEvent,
  cpuUsPerRequest,
  eventsPerSecond,
  latencyP50Us,
  type Measure,
  ratiosWithinRounds,
  requestsPerSecond,
} from './sample-measures.js';
import { quantile } from './statistics.js';
import { BASELINE } from './targets.js';

/** The whole run as markdown: tables of medians, ratios, processes, goals, and what was wrong. */
export function renderReport(record: BenchRecord): string {
  const isStream = (name: string): boolean =>
    record.samples.some((one) => one.caseName === name && one.load.eventsTotal > 0);
  const streams = record.cases.filter(isStream);
  const chats = record.cases.filter((name) => !isStream(name));
  const parts = [
    renderHeading(record),
    renderTable(record, 'Requests per second', chats, requestsPerSecond, true),
    renderRatios(record, `Requests per second, ratio to ${BASELINE} in the same round`, chats, requestsPerSecond),
    renderTable(record, 'Latency p50, µs', chats, latencyP50Us, true),
    renderRatios(record, `Latency p50, ratio to ${BASELINE}`, chats, latencyP50Us),
    renderTable(record, 'Latency p99, µs', chats, ({ load }) => load.p99Us, false),
    renderTable(record, 'CPU of the gateway per request, µs (= ms per 1,000 requests)', chats, cpuUsPerRequest, true),
    renderTable(record, 'Streamed events per second', streams, eventsPerSecond, true),
    renderTable(record, 'CPU of the gateway per event, µs', streams, cpuUsPerEvent, true),
    renderRatios(record, `CPU per event, ratio to ${BASELINE}`, streams, cpuUsPerEvent),
    renderTable(record, 'First event p50, µs', streams, ({ load }) => load.firstEventP50Us, false),
    renderTable(record, 'First event p99, µs', streams, ({ load }) => load.firstEventP99Us, false),
    renderProcesses(record),
    renderGoals(record),
    renderProblems(record),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function renderHeading(record: BenchRecord): string {
  const { cores } = record;
  const pinning =
    cores === undefined
      ? '**not pinned: gateway and load share the cores, compare ratios only**'
      : `gateway on core ${cores[0]}, worker and load client on core ${cores[1]}`;
  const method = `${record.rounds} rounds of ${record.durationMs / 1000} s per case; medians, [interquartile range]; every answer checked`;
  const lines = [
    `Revision ${record.revision}, ${record.startedAt}, Node ${record.node}, ${record.machine}.`,
    `${method}; ${pinning}.`,
    ...record.skipped.map((reason) => `Not measured: ${reason}.`),
  ];
  return lines.join('\n');
}

function renderTable(
  record: BenchRecord,
  title: string,
  cases: readonly string[],
  measure: Measure,
  withRange: boolean,
): string {
  return renderGrid(record, title, cases, (target, caseName) => {
    const samples = countingSamples(record, target, caseName);
    const mark = samples.some((sample) => sample.isNoisy) ? ' *' : '';
    return formatSpread(samples.map(measure), withRange) + mark;
  });
}

function renderRatios(record: BenchRecord, title: string, cases: readonly string[], measure: Measure): string {
  if (!record.targets.includes(BASELINE)) return '';
  return renderGrid(record, title, cases, (target, caseName) =>
    formatSpread(ratiosWithinRounds(record, target, BASELINE, caseName, measure), true),
  );
}

function renderGrid(
  record: BenchRecord,
  title: string,
  cases: readonly string[],
  cell: (target: string, caseName: string) => string,
): string {
  if (cases.length === 0) return '';
  const rows = record.targets.map((target) => [target, ...cases.map((caseName) => cell(target, caseName))]);
  const filled = rows.filter((row) => row.slice(1).some((text) => text !== '–'));
  return `### ${title}\n\n${renderMarkdownTable(['', ...cases], filled)}`;
}

function renderProcesses(record: BenchRecord): string {
  const columns: readonly [string, (start: StartRecord) => number][] = [
    ['cold start to first 200, ms', (start) => start.coldStartMs],
    ['idle RSS, MiB', (start) => start.idleMib],
    ['peak RSS, MiB', (start) => start.peakMib],
    ['processes', (start) => start.processes],
  ];
  const targets = record.targets.filter((target) => record.starts.some((start) => start.target === target));
  const rows = targets.map((target) => {
    const starts = record.starts.filter((start) => start.target === target);
    return [target, ...columns.map(([, measure]) => formatSpread(starts.map(measure), true))];
  });
  if (rows.length === 0) return '';
  return `### Process\n\n${renderMarkdownTable(['', ...columns.map(([title]) => title)], rows)}`;
}

function renderProblems(record: BenchRecord): string {
  const lines = record.failedStarts.map((reason) => `- **void**: ${reason}`);
  for (const { failure, round, target, caseName } of record.samples) {
    if (failure !== undefined) lines.push(`- **void**: round ${round}, ${target}, ${caseName}: ${failure}`);
  }
  const noisy = record.samples.filter((sample) => sample.isNoisy).length;
  if (noisy > 0) {
    const rule = 'they count only where there is no other, marked *';
    lines.push(
      `- ${noisy} of ${record.samples.length} samples disturbed by other processes (> 10 % of a core): ${rule}.`,
    );
  }
  return lines.join('\n');
}

/** Median, with the interquartile range when there is more than one value; a dash for none. */
function formatSpread(values: readonly number[], withRange: boolean): string {
  const middle = quantile(values, 0.5);
  if (Number.isNaN(middle)) return '–';
  const text = formatNumber(middle);
  if (!withRange || values.length < 2) return text;
  return `${text} [${formatNumber(quantile(values, 0.25))}–${formatNumber(quantile(values, 0.75))}]`;
}
