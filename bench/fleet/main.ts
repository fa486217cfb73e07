import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Policy } from '../../core/api/index.js';
import { WorkerCluster } from '../../core/cluster/cluster.js';
import { DEFAULT_TIMEOUTS } from '../../core/cluster/worker-spec.js';
import { candidatesOf } from '../../filters/policy/candidates.js';
import { ContractWorker, createContractContext } from '../../plugins/policy/policy-contract.js';
import { PowerOfTwoPolicy } from '../../plugins/policy/power_of_two/plugin.js';
import { RandomPolicy } from '../../plugins/policy/random/plugin.js';
import { RoundRobinPolicy } from '../../plugins/policy/round_robin/plugin.js';
import { AdminClient } from './admin-client.js';
import { compileFleetProgram } from './program.js';

const WORKERS = 2_000;
const STEP = 500;
const IDLE_MS = 20_000;
const PICKS = 20_000;

/** `npm run bench -- fleet`: what 2,000 workers cost. Prints one table; the exit code is 1 when a worker was lost. */
export async function runFleetBench(): Promise<number> {
  const fleet = compileFleetProgram();
  try {
    const { ports } = await fleet.ask({ count: WORKERS });
    const gateway = await AdminClient.start('fleet');
    try {
      return await measureFleet(gateway, ports);
    } finally {
      await gateway.stop();
    }
  } finally {
    await fleet.stop();
  }
}

async function measureFleet(gateway: AdminClient, ports: readonly number[]): Promise<number> {
  const rows: string[] = [];
  let from = 0;
  for (let upTo = STEP; upTo <= WORKERS; upTo += STEP) {
    const startedMs = performance.now();
    const cpuBefore = gateway.cpuMs();
    for (; from < upTo; from++) await gateway.add(`http://127.0.0.1:${ports[from]}`);
    await gateway.untilReady(upTo);
    const ms = performance.now() - startedMs;
    rows.push(
      `| register ${upTo - STEP + 1} to ${upTo}, one by one, until ready | ${ms.toFixed(0)} ms, ${((gateway.cpuMs() - cpuBefore) / STEP).toFixed(2)} ms CPU a worker |`,
    );
  }
  const list = await gateway.timeList(20);
  rows.push(`| GET /workers | median ${list.median.toFixed(1)} ms, slowest ${list.slowest.toFixed(1)} ms |`);
  const one = await gateway.requestCpuUs('model-7', 3_000);
  rows.push(`| chat through it, one client | ${one.toFixed(0)} µs CPU a request |`);
  await sleep(2_000);
  const cpuBefore = gateway.cpuMs();
  const startedMs = performance.now();
  await sleep(IDLE_MS);
  const share = (gateway.cpuMs() - cpuBefore) / (performance.now() - startedMs);
  rows.push(
    `| idle, 80 probes a second | ${(share * 100).toFixed(1)} % of a core, ${gateway.rssMib().toFixed(0)} MiB |`,
  );
  rows.push(...choiceRows());
  console.log(`| ${WORKERS} workers | |\n|---|---|\n${rows.join('\n')}`);
  return (await gateway.readyCount()) === WORKERS ? 0 : 1;
}

/** Choice of one among all of them: selection by priority and health, then the policy. */
function choiceRows(): string[] {
  const policies: readonly (readonly [string, () => Policy])[] = [
    ['round_robin', () => new RoundRobinPolicy()],
    ['random', () => new RandomPolicy()],
    ['power_of_two', () => new PowerOfTwoPolicy()],
  ];
  return policies.flatMap(([name, create]) =>
    [false, true].map((uneven) => {
      const workers = Array.from(
        { length: WORKERS },
        (_, index) => new ContractWorker(index, uneven ? 1 + (index % 3) : 1),
      );
      const members = { membersVersion: 0, selectionVersion: 0, members: () => workers };
      const cluster = new WorkerCluster({ name: 'c', policy: name, timeouts: DEFAULT_TIMEOUTS }, members, []);
      const policy = create();
      const context = createContractContext('m');
      const pick = (): void => void policy.pick(candidatesOf(cluster.selectable('m'), []), context);
      for (let i = 0; i < PICKS; i++) pick();
      const startedMs = performance.now();
      for (let i = 0; i < PICKS; i++) pick();
      const us = ((performance.now() - startedMs) * 1_000) / PICKS;
      return `| choice of a worker, ${name}${uneven ? ', three different costs' : ''} | ${us.toFixed(2)} µs |`;
    }),
  );
}
