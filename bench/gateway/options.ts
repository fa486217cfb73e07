import { parseArgs } from 'node:util';
import { BENCH_CASES, type BenchCase } from './cases.js';
import { createBuiltInTargets, parseTarget, type Target } from './targets.js';

/** What a run measures and how long. */
export interface BenchOptions {
  readonly targets: readonly Target[];
  /** Targets left out, with the reason. */
  readonly skipped: readonly string[];
  readonly cases: readonly BenchCase[];
  readonly rounds: number;
  /** Length of one sample. */
  readonly durationMs: number;
  /** Load of a fresh gateway before its first sample. */
  readonly warmUpMs: number;
  /** Load of each case before its own sample. */
  readonly caseWarmUpMs: number;
  /** Cores of gateway and load, as asked for. */
  readonly cores: readonly [gateway: number, load: number] | undefined;
  /** Times that a disturbed sample is measured again. */
  readonly retries: number;
  readonly jsonPath: string | undefined;
}

export const USAGE = `npm run bench -- [options]

  --targets a,b     direct, bare, nginx, smg-reference, smg, and those of --add (default: all that can run here)
  --add name=cmd    one more gateway; {port} {extra_port} {workers} {workers_csv} {config} are filled in; repeatable
  --rewrites a,b    added gateways that write the JSON of answers anew: compare its meaning, not its bytes
  --cases a,b       ${BENCH_CASES.map((one) => one.name).join(', ')}
  --rounds n        alternating rounds (default 5)
  --duration s      seconds per sample (default 2)
  --cores g,l       cores of gateway and load (default 0,1); "none" leaves them unpinned
  --retries n       repetitions of a sample that others disturbed (default 2)
  --json file       also write every sample
  --quick           one round of one second, nothing repeated: shows that it works, not how fast

npm run bench -- report file.json     the tables of an earlier run
`;

/** Reads the command line. Throws with a message for the user when something is wrong with it. */
export function parseBenchOptions(args: readonly string[], environment: NodeJS.ProcessEnv): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      targets: { type: 'string' },
      add: { type: 'string', multiple: true, default: [] },
      rewrites: { type: 'string', default: '' },
      cases: { type: 'string' },
      rounds: { type: 'string' },
      duration: { type: 'string' },
      cores: { type: 'string', default: '0,1' },
      retries: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const rewriting = values.rewrites.split(',');
  const added = values.add.map((text) => parseTarget(text, rewriting));
  const known = [...createBuiltInTargets(environment), ...added];
  const { targets, skipped } = selectTargets(known, values.targets);
  const { quick } = values;
  return {
    targets,
    skipped,
    cases: selectCases(values.cases),
    rounds: parsePositive('rounds', values.rounds, quick ? 1 : 5),
    durationMs: parsePositive('duration', values.duration, quick ? 1 : 2) * 1000,
    warmUpMs: quick ? 700 : 1500,
    caseWarmUpMs: quick ? 0 : 1000,
    cores: parseCores(values.cores),
    retries: values.retries === undefined ? (quick ? 0 : 2) : Number(values.retries),
    jsonPath: values.json,
  };
}

/** A target that was asked for by name must run; the others may be missing. */
function selectTargets(known: readonly Target[], names: string | undefined): Pick<BenchOptions, 'targets' | 'skipped'> {
  if (names === undefined) {
    const skipped = known.filter((target) => target.problem !== undefined);
    return {
      targets: known.filter((target) => target.problem === undefined),
      skipped: skipped.map((target) => `${target.name}: ${target.problem}`),
    };
  }
  const targets = names.split(',').map((name) => {
    const target = known.find((candidate) => candidate.name === name);
    if (target === undefined)
      throw new Error(`no target "${name}"; there are ${known.map((one) => one.name).join(', ')}`);
    if (target.problem !== undefined) throw new Error(`target "${name}": ${target.problem}`);
    return target;
  });
  return { targets, skipped: [] };
}

function selectCases(names: string | undefined): readonly BenchCase[] {
  if (names === undefined) return BENCH_CASES;
  return names.split(',').map((name) => {
    const found = BENCH_CASES.find((candidate) => candidate.name === name);
    if (found === undefined)
      throw new Error(`no case "${name}"; there are ${BENCH_CASES.map((one) => one.name).join(', ')}`);
    return found;
  });
}

function parsePositive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} wants a number above 0, not "${text}"`);
  return value;
}

function parseCores(text: string): BenchOptions['cores'] {
  if (text === 'none') return undefined;
  const [gateway, load, ...more] = text.split(',').map(Number);
  if (!Number.isInteger(gateway) || !Number.isInteger(load) || more.length > 0) {
    throw new Error(`--cores wants two core numbers or "none", not "${text}"`);
  }
  return [gateway as number, load as number];
}
