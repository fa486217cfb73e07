import { type ChildProcess, spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient } from '../fleet/admin-client.js';
import { stopProcess } from '../gateway/pinned-process.js';
import { repositoryPath } from '../gateway/program.js';

const CLIENTS = 16;
const FIRST_PORT = 39_100;
const SIMS = 4;
/** A worker is added or removed this often, ms. */
const CHURN_MS = 250;
/** One engine is killed, and started again a while later, this often, ms. */
const KILL_MS = 15_000;
const DOWN_MS = 5_000;
const SAMPLE_MS = 10_000;

/**
 * `npm run bench -- soak [minutes]`: traffic while workers are added and removed through the admin API and engines die. One
 * engine always stays, so every request has a worker that could serve it. The exit code is 1 when one was not answered 200.
 */
export async function runSoak(args: readonly string[]): Promise<number> {
  const minutes = Number(args[0] ?? 10);
  const sims = new SimProcesses();
  try {
    await sims.startAll();
    const gateway = await AdminClient.start('soak');
    try {
      const soak = new Soak(gateway, sims, performance.now() + minutes * 60_000);
      await soak.run();
      console.log(soak.report(minutes));
      return soak.failures === 0 ? 0 : 1;
    } finally {
      await gateway.stop();
    }
  } finally {
    await sims.stopAll();
  }
}

/** Simulated engines in processes of their own, on fixed ports, so that a killed one comes back where it was. */
class SimProcesses {
  readonly #children: (ChildProcess | undefined)[] = [];

  urlOf(index: number): string {
    return `http://127.0.0.1:${FIRST_PORT + index}`;
  }

  async startAll(): Promise<void> {
    for (let index = 0; index < SIMS; index++) await this.start(index);
  }

  async start(index: number): Promise<void> {
    const port = FIRST_PORT + index;
    const command = [repositoryPath('dist/bin/main.js'), 'sim', '--port', String(port), '--model', 'm'];
    const timing = ['--ttft', '2ms', '--itl', '1ms', '--output-tokens', '8'];
    this.#children[index] = spawn(process.execPath, [...command, ...timing], { stdio: 'ignore' });
    while (
      !(await fetch(`${this.urlOf(index)}/health`).then(
        ({ ok }) => ok,
        () => false,
      ))
    )
      await sleep(20);
  }

  kill(index: number): void {
    this.#children[index]?.kill('SIGKILL');
  }

  async stopAll(): Promise<void> {
    for (const child of this.#children) if (child !== undefined) await stopProcess(child);
  }
}

class Soak {
  failures = 0;
  readonly #gateway: AdminClient;
  readonly #sims: SimProcesses;
  readonly #endMs: number;
  readonly #latencies: number[] = [];
  readonly #statuses = new Map<number, number>();
  readonly #memory: { readonly atMs: number; readonly mib: number }[] = [];
  #changes = 0;
  #kills = 0;

  constructor(gateway: AdminClient, sims: SimProcesses, endMs: number) {
    this.#gateway = gateway;
    this.#sims = sims;
    this.#endMs = endMs;
  }

  async run(): Promise<void> {
    await this.#gateway.add(this.#sims.urlOf(0));
    await this.#gateway.untilReady(1);
    const clients = Array.from({ length: CLIENTS }, () => this.#client());
    await Promise.all([...clients, this.#churn(), this.#killer(), this.#sampler()]);
  }

  report(minutes: number): string {
    const sorted = this.#latencies.sort((left, right) => left - right);
    const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
    const counts = [...this.#statuses].map(([status, count]) => `${status}: ${count}`).join(', ');
    const rows = [
      `| requests by status (0: connection broke) | ${counts} |`,
      `| latency | p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, slowest ${at(1)} ms |`,
      `| workers added or removed | ${this.#changes} |`,
      `| engines killed and brought back | ${this.#kills} |`,
      `| RSS | ${describeMemory(this.#memory)} |`,
    ];
    return `| soak of ${minutes} min, ${CLIENTS} clients | |\n|---|---|\n${rows.join('\n')}`;
  }

  get #running(): boolean {
    return performance.now() < this.#endMs;
  }

  async #client(): Promise<void> {
    while (this.#running) {
      const startedMs = performance.now();
      const status = await this.#gateway.chat('m');
      this.#latencies.push(performance.now() - startedMs);
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
      if (status !== 200) this.failures += 1;
    }
  }

  /** Engine 0 stays; the others come and go. */
  async #churn(): Promise<void> {
    const ids: (string | undefined)[] = [];
    for (let turn = 0; this.#running; turn++) {
      const index = 1 + (turn % (SIMS - 1));
      const id = ids[index];
      if (id === undefined) ids[index] = await this.#gateway.add(this.#sims.urlOf(index));
      else await this.#gateway.remove(id);
      if (id !== undefined) ids[index] = undefined;
      this.#changes += 1;
      await sleep(CHURN_MS);
    }
  }

  async #killer(): Promise<void> {
    for (let turn = 0; this.#running; turn++) {
      await sleep(Math.min(KILL_MS, Math.max(0, this.#endMs - performance.now())));
      if (!this.#running) return;
      const index = 1 + (turn % (SIMS - 1));
      this.#sims.kill(index);
      this.#kills += 1;
      await sleep(DOWN_MS);
      await this.#sims.start(index);
    }
  }

  async #sampler(): Promise<void> {
    while (this.#running) {
      this.#memory.push({ atMs: performance.now(), mib: this.#gateway.rssMib() });
      await sleep(Math.min(SAMPLE_MS, Math.max(0, this.#endMs - performance.now())));
    }
  }
}

/** First and last of the second half, and the slope of a straight line through it: the first half is warming up. */
function describeMemory(samples: readonly { readonly atMs: number; readonly mib: number }[]): string {
  const half = samples.slice(samples.length >> 1);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanMs = mean(half.map(({ atMs }) => atMs));
  const meanMib = mean(half.map(({ mib }) => mib));
  let covariance = 0;
  let variance = 0;
  for (const { atMs, mib } of half) {
    covariance += (atMs - meanMs) * (mib - meanMib);
    variance += (atMs - meanMs) ** 2;
  }
  const perHour = variance === 0 ? 0 : (covariance / variance) * 3_600_000;
  const shown = (value: number | undefined): string => (value ?? 0).toFixed(0);
  return `${shown(samples[0]?.mib)} MiB at first, ${shown(half.at(-1)?.mib)} at the end, slope of the second half ${perHour.toFixed(0)} MiB/h`;
}
