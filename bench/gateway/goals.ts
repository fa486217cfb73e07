import type { BenchRecord, StartRecord } from './bench-record.js';
import { formatNumber, renderMarkdownTable } from './markdown-table.js';
import { cpuUsPerEvent, latencyP50Us, type Measure, ratiosWithinRounds, requestsPerSecond } from './sample-measures.js';
import { median } from './statistics.js';
import { BASELINE, OURS, REFERENCE } from './targets.js';

/** A figure that a release must reach. */
interface Goal {
  readonly title: string;
  readonly limit: number;
  readonly isAtLeast: boolean;
  measure(record: BenchRecord): number;
}

function ratioGoal(
  title: string,
  base: string,
  caseName: string,
  measure: Measure,
  isAtLeast: boolean,
  limit: number,
): Goal {
  return {
    title: `${title}, ratio to ${base}`,
    limit,
    isAtLeast,
    measure: (record) => median(ratiosWithinRounds(record, OURS, base, caseName, measure)),
  };
}

function processGoal(title: string, limit: number, measure: (start: StartRecord) => number): Goal {
  return {
    title,
    limit,
    isAtLeast: false,
    measure: (record) => median(record.starts.filter((start) => start.target === OURS).map(measure)),
  };
}

const GOALS: readonly Goal[] = [
  ratioGoal('throughput 1 KiB, c = 16', BASELINE, 'c16', requestsPerSecond, true, 1.0),
  ratioGoal('throughput 1 KiB, c = 64', BASELINE, 'c64', requestsPerSecond, true, 1.0),
  ratioGoal('throughput 128 KiB', BASELINE, 'b128k', requestsPerSecond, true, 2.5),
  ratioGoal('paced SSE, CPU per event', BASELINE, 'paced64', cpuUsPerEvent, false, 0.85),
  ratioGoal('median latency, c = 1', BASELINE, 'c1', latencyP50Us, false, 1.0),
  ratioGoal('throughput 1 KiB, c = 16', REFERENCE, 'c16', requestsPerSecond, true, 3.0),
  ratioGoal('throughput 128 KiB', REFERENCE, 'b128k', requestsPerSecond, true, 3.0),
  processGoal('peak RSS, MiB', 150, (start) => start.peakMib),
  processGoal('idle RSS, MiB', 70, (start) => start.idleMib),
  processGoal('cold start, ms', 400, (start) => start.coldStartMs),
];

/** Table of the goals that this run can speak about; empty when the build was not measured. */
export function renderGoals(record: BenchRecord): string {
  if (!record.targets.includes(OURS)) return '';
  const rows: string[][] = [];
  for (const goal of GOALS) {
    const value = goal.measure(record);
    if (Number.isNaN(value)) continue;
    const isMet = goal.isAtLeast ? value >= goal.limit : value <= goal.limit;
    const limit = `${goal.isAtLeast ? '≥' : '≤'} ${goal.limit}`;
    rows.push([goal.title, limit, formatNumber(value), isMet ? 'yes' : '**no**']);
  }
  return rows.length === 0 ? '' : `### Goals\n\n${renderMarkdownTable(['', 'wanted', 'measured', 'met'], rows)}`;
}
