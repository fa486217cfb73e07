/** Program: `npm run bench`. The first argument may name a subcommand; without one the gateway benchmark runs. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import type { BenchRecord, Sample, StartRecord } from './bench-record.js';
import { Measurement } from './measurement.js';
import { type BenchOptions, parseBenchOptions, USAGE } from './options.js';
import { canPin, pinSelf } from './pinned-process.js';
import { repositoryPath } from './program.js';
import { renderReport } from './report.js';

const EXIT_VOID = 1;
const EXIT_USAGE = 64;
const EXIT_INTERRUPTED = 130;

/** A further kind of benchmark is one more entry. Each returns the exit code. */
const SUBCOMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  gateway: runGatewayBench,
  report: printReport,
  fleet: async () => (await import('../fleet/main.js')).runFleetBench(),
  soak: async (args) => (await import('../soak/main.js')).runSoak(args),
};

async function runGatewayBench(args: readonly string[]): Promise<number> {
  const asked = parseBenchOptions(args, process.env);
  const options = canPin() ? asked : { ...asked, cores: undefined };
  if (options.cores !== undefined) pinSelf(options.cores[1]);
  for (const skipped of options.skipped) console.error(`skipped ${skipped}`);
  const record = await measureRounds(options);
  console.log(renderReport(record));
  if (options.jsonPath !== undefined) writeFileSync(options.jsonPath, `${JSON.stringify(record, null, 1)}\n`);
  const isVoid = record.failedStarts.length > 0 || record.samples.some((sample) => sample.failure !== undefined);
  return isVoid ? EXIT_VOID : 0;
}

async function measureRounds(options: BenchOptions): Promise<BenchRecord> {
  const samples: Sample[] = [];
  const starts: StartRecord[] = [];
  const failedStarts: string[] = [];
  const startedAt = new Date().toISOString();
  const onSample = (sample: Sample): void => {
    samples.push(sample);
    printProgress(sample);
  };
  const measurement = await Measurement.start(options);
  try {
    for (let round = 1; round <= options.rounds; round++) {
      // Every other round runs backwards, so that a drift of the machine does not favour anyone.
      const order = round % 2 === 1 ? options.targets : options.targets.toReversed();
      for (const target of order) {
        try {
          starts.push(...(await measurement.measureTarget(target, round, onSample)));
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          console.error(reason);
          failedStarts.push(`round ${round}: ${reason.split('\n', 1)[0]}`);
        }
      }
    }
  } finally {
    await measurement.stop();
  }
  return {
    startedAt,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    node: process.version,
    revision: readRevision(),
    cores: options.cores,
    rounds: options.rounds,
    durationMs: options.durationMs,
    targets: options.targets.map((target) => target.name),
    cases: options.cases.map((one) => one.name),
    samples,
    starts,
    skipped: options.skipped,
    failedStarts,
  };
}

function printProgress(sample: Sample): void {
  const { load } = sample;
  const perSecond = (count: number): string => ((count / load.windowMs) * 1000).toFixed(0);
  const outcome =
    sample.failure !== undefined
      ? `VOID ${sample.failure}`
      : `${perSecond(load.requests)} req/s  ${perSecond(load.events)} events/s  p50 ${load.p50Us.toFixed(0)} µs  cpu ${((sample.cpuMs / load.requestsTotal) * 1000).toFixed(1)} µs/req`;
  const noise = sample.isNoisy
    ? `  disturbed: gateway core ${formatShare(sample.foreignGatewayShare)}, load core ${formatShare(sample.foreignLoadShare)}, steal ${formatShare(sample.stealShare)}`
    : '';
  console.error(`round ${sample.round}  ${sample.target.padEnd(14)} ${sample.caseName.padEnd(8)} ${outcome}${noise}`);
}

function formatShare(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function readRevision(): string {
  const { stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { cwd: repositoryPath(), encoding: 'utf8' });
  return stdout?.trim() || 'unknown';
}

async function printReport(args: readonly string[]): Promise<number> {
  const [path] = args;
  if (path === undefined) throw new Error('report wants a file that --json wrote');
  console.log(renderReport(JSON.parse(readFileSync(path, 'utf8')) as BenchRecord));
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  const [first = ''] = args;
  if (args.includes('--help')) {
    console.log(USAGE);
    return 0;
  }
  if (first === '' || first.startsWith('-')) return runGatewayBench(args);
  const run = SUBCOMMANDS[first];
  if (run !== undefined) return run(args.slice(1));
  console.error(`no subcommand "${first}"; there are ${Object.keys(SUBCOMMANDS).join(', ')}\n\n${USAGE}`);
  return EXIT_USAGE;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT_INTERRUPTED));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = EXIT_VOID;
}
