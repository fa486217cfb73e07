/** The micro benches' harness: named functions, measured in alternating rounds, so that a busy moment hits all alike. */

/** One thing to measure. `run` does the work once and should return something that depends on it. */
export interface MicroCase {
  readonly name: string;
  run(): unknown;
}

export interface MicroOptions {
  /** Rounds over all cases; the median of them is reported. Default 7. */
  readonly rounds?: number;
  /** Time given to each case in each round, ms. Default 60. */
  readonly roundMs?: number;
}

/** Figures of one case. CPU time of the process, so that neighbours count less and garbage collection counts. */
export interface MicroResult {
  readonly name: string;
  /** Median over the rounds, CPU nanoseconds per call. */
  readonly medianNs: number;
  /** Fastest round: what the machine can do when nobody disturbs. */
  readonly bestNs: number;
}

const DEFAULT_ROUNDS = 7;
const DEFAULT_ROUND_MS = 60;
const CALIBRATION_MS = 5;

/** Where results go, so that no call can be optimised away. */
let sink: unknown;

/** Measures the cases in alternating rounds; the order turns round every time. */
export function measureCases(cases: readonly MicroCase[], options: MicroOptions = {}): MicroResult[] {
  const { rounds = DEFAULT_ROUNDS, roundMs = DEFAULT_ROUND_MS } = options;
  const batches = cases.map(findBatchSize);
  const times = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < cases.length; step++) {
      const index = round % 2 === 0 ? step : cases.length - 1 - step;
      times[index]?.push(measureOnce(cases[index] as MicroCase, batches[index] as number, roundMs));
    }
  }
  return cases.map(({ name }, index) => {
    const sorted = (times[index] as number[]).sort((a, b) => a - b);
    return { name, medianNs: sorted[sorted.length >> 1] as number, bestNs: sorted[0] as number };
  });
}

/** Measures the cases and prints a markdown table; ratios refer to the first case. */
export function printCases(title: string, cases: readonly MicroCase[], options: MicroOptions = {}): void {
  const results = measureCases(cases, options);
  const base = results[0]?.medianNs ?? 1;
  console.log(`\n### ${title}\n\n| | ns/op, median | best | ratio |\n| --- | ---: | ---: | ---: |`);
  for (const { name, medianNs, bestNs } of results) {
    console.log(`| ${name} | ${formatNs(medianNs)} | ${formatNs(bestNs)} | ${(medianNs / base).toFixed(2)} |`);
  }
}

/** Calls between two looks at the clock: enough that looking costs nothing. Also warms the case up. */
function findBatchSize({ run }: MicroCase): number {
  let batch = 1;
  for (;;) {
    const startedMs = performance.now();
    for (let i = 0; i < batch; i++) sink = run();
    if (performance.now() - startedMs >= CALIBRATION_MS) return batch;
    batch *= 2;
  }
}

/** CPU nanoseconds per call. */
function measureOnce({ run }: MicroCase, batch: number, roundMs: number): number {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  let calls = 0;
  do {
    for (let i = 0; i < batch; i++) sink = run();
    calls += batch;
  } while (performance.now() - startedMs < roundMs);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / calls;
}

function formatNs(ns: number): string {
  return ns >= 100 ? ns.toFixed(0) : ns.toFixed(1);
}

/** What the last call returned; reading it keeps the calls alive. */
export function lastResult(): unknown {
  return sink;
}
