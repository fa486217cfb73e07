import { setTimeout as sleep } from 'node:timers/promises';
import type { Sample, StartRecord } from './bench-record.js';
import type { BenchCase } from './cases.js';
import type { WorkerReport } from './fake-worker.js';
import { type RunningGateway, startGateway } from './gateway-start.js';
import type { LoadJob, LoadResult } from './load-tally.js';
import type { BenchOptions } from './options.js';
import { type CoreTime, readCoreTime, readCpuMs, readMemoryMib } from './process-stat.js';
import { compilePrograms, Program } from './program.js';
import type { Target } from './targets.js';

/** Share of a core that others may use before a sample counts as disturbed. */
const NOISE_LIMIT = 0.1;
const SETTLE_MS = 300;
const NOISE_PAUSE_MS = 1_000;
const BURST_WARM_UP_SHARE = 0.5;

/** Everything that the counters said at one moment. */
interface Snapshot {
  readonly atMs: number;
  readonly gatewayCpuMs: number;
  readonly rigCpuMs: number;
  readonly gatewayCore: CoreTime | undefined;
  readonly loadCore: CoreTime | undefined;
}

/** Worker and load client, which stay up for a whole run, and the measuring between them. */
export class Measurement {
  readonly #options: BenchOptions;
  readonly #programPath: (name: string) => string;
  readonly #worker: Program<string, WorkerReport>;
  readonly #client: Program<LoadJob, LoadResult>;
  readonly #workers: readonly string[];

  private constructor(
    options: BenchOptions,
    programPath: (name: string) => string,
    worker: Program<string, WorkerReport>,
    client: Program<LoadJob, LoadResult>,
    ports: readonly number[],
  ) {
    this.#options = options;
    this.#programPath = programPath;
    this.#worker = worker;
    this.#client = client;
    this.#workers = ports.map((port) => `http://127.0.0.1:${port}`);
  }

  static async start(options: BenchOptions): Promise<Measurement> {
    const programPath = compilePrograms();
    const core = options.cores?.[1];
    const worker = new Program<string, WorkerReport>(programPath('fake-worker'), core);
    const { ports } = await worker.receive();
    const client = new Program<LoadJob, LoadResult>(programPath('load-client'), core);
    return new Measurement(options, programPath, worker, client, ports);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#client.stop(), this.#worker.stop()]);
  }

  /**
   * Starts the target afresh, warms it up, and measures every case once. Resolves with what belongs to the start, none
   * for `direct`; rejects when the target does not start.
   */
  async measureTarget(target: Target, round: number, onSample: (sample: Sample) => void): Promise<StartRecord[]> {
    const gateway = await startGateway(target, this.#workers, this.#options.cores?.[0], this.#programPath);
    try {
      await sleep(SETTLE_MS);
      const idleMib = readMemoryMib(gateway.listPids(), 'VmRSS');
      await this.#warmUp(target, gateway);
      for (const benchCase of this.#options.cases) {
        const port = benchCase.protocol === 'h2' ? gateway.http2Port : gateway.port;
        if (port === undefined) continue;
        onSample(await this.#measureCase(target, gateway, port, benchCase, round));
      }
      if (!gateway.isProcess) return [];
      const pids = gateway.listPids();
      const { coldStartMs } = gateway;
      const peakMib = readMemoryMib(pids, 'VmHWM');
      return [{ round, target: target.name, coldStartMs, idleMib, peakMib, processes: pids.length }];
    } finally {
      await gateway.stop();
    }
  }

  async #warmUp(target: Target, gateway: RunningGateway): Promise<void> {
    const { warmUpMs, cases } = this.#options;
    const job = {
      protocol: 'h1',
      port: gateway.port,
      concurrency: 16,
      bodyBytes: 1024,
      check: target.check,
    } as const;
    await this.#client.ask({ ...job, answer: 'chat', durationMs: warmUpMs });
    if (cases.some((one) => one.answer !== 'chat')) {
      await this.#client.ask({ ...job, answer: 'burst', durationMs: warmUpMs * BURST_WARM_UP_SHARE });
    }
    const overHttp2 = cases.some((one) => one.protocol === 'h2') ? gateway.http2Port : undefined;
    if (overHttp2 === undefined) return;
    const durationMs = warmUpMs * BURST_WARM_UP_SHARE;
    await this.#client.ask({ ...job, protocol: 'h2', port: overHttp2, answer: 'chat', durationMs });
  }

  async #measureCase(
    target: Target,
    gateway: RunningGateway,
    port: number,
    benchCase: BenchCase,
    round: number,
  ): Promise<Sample> {
    const { protocol, concurrency, bodyBytes, answer } = benchCase;
    const { durationMs, caseWarmUpMs, retries } = this.#options;
    const job: LoadJob = { protocol, port, concurrency, bodyBytes, answer, check: target.check, durationMs };
    // What a case is the first to run is compiled while it runs: on one core that is part of its CPU time.
    if (caseWarmUpMs > 0) await this.#client.ask({ ...job, durationMs: caseWarmUpMs });
    for (let attempts = 1; ; attempts++) {
      await this.#worker.ask('report');
      const before = this.#takeSnapshot(gateway);
      const load = await this.#client.ask(job);
      const after = this.#takeSnapshot(gateway);
      const worker = await this.#worker.ask('report');
      const disturbance = this.#compareSnapshots(before, after, gateway.isProcess);
      const sample: Sample = {
        ...{ round, target: target.name, caseName: benchCase.name, load, attempts, ...disturbance },
        upstreamConnections: worker.connections,
        upstreamRequests: worker.requests,
        failure: findFailure(load, worker),
      };
      if (!sample.isNoisy || sample.failure !== undefined || attempts > retries) return sample;
      await sleep(NOISE_PAUSE_MS);
    }
  }

  #takeSnapshot(gateway: RunningGateway): Snapshot {
    const { cores } = this.#options;
    return {
      atMs: performance.now(),
      gatewayCpuMs: readCpuMs(gateway.listPids()),
      rigCpuMs: readCpuMs([this.#worker.pid, this.#client.pid, process.pid]),
      gatewayCore: cores === undefined ? undefined : readCoreTime(cores[0]),
      loadCore: cores === undefined ? undefined : readCoreTime(cores[1]),
    };
  }

  #compareSnapshots(
    before: Snapshot,
    after: Snapshot,
    hasGateway: boolean,
  ): Pick<Sample, 'cpuMs' | 'wallMs' | 'foreignGatewayShare' | 'foreignLoadShare' | 'stealShare' | 'isNoisy'> {
    const wallMs = after.atMs - before.atMs;
    const cpuMs = after.gatewayCpuMs - before.gatewayCpuMs;
    const rigMs = after.rigCpuMs - before.rigCpuMs;
    const foreignGatewayShare = findForeignShare(before.gatewayCore, after.gatewayCore, cpuMs, wallMs);
    const foreignLoadShare = findForeignShare(before.loadCore, after.loadCore, rigMs, wallMs);
    const stealMs = (core: 'gatewayCore' | 'loadCore'): number =>
      (after[core]?.stealMs ?? 0) - (before[core]?.stealMs ?? 0);
    const stealShare = Math.max(stealMs('gatewayCore'), stealMs('loadCore')) / wallMs;
    const isNoisy =
      (hasGateway && foreignGatewayShare > NOISE_LIMIT) || foreignLoadShare > NOISE_LIMIT || stealShare > NOISE_LIMIT;
    return { cpuMs, wallMs, foreignGatewayShare, foreignLoadShare, stealShare, isNoisy };
  }
}

function findForeignShare(
  before: CoreTime | undefined,
  after: CoreTime | undefined,
  ownMs: number,
  wallMs: number,
): number {
  if (before === undefined || after === undefined) return 0;
  return Math.max(0, after.processesMs - before.processesMs - ownMs) / wallMs;
}

function findFailure(load: LoadResult, worker: WorkerReport): string | undefined {
  if (load.failures > 0) return `${load.failures} wrong answers: ${load.firstFailure}`;
  if (worker.malformed > 0) return `${worker.malformed} malformed requests upstream: ${worker.firstMalformed}`;
  if (load.requestsTotal === 0) return 'no answer at all';
  return undefined;
}
