import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second in /proc; Linux has shown 100 to programs on every architecture for decades. */
const TICKS_PER_SECOND = 100;
const MS_PER_TICK = 1000 / TICKS_PER_SECOND;

/** CPU time of one core since boot, ms. */
export interface CoreTime {
  /** User, nice and system time of all processes. */
  readonly processesMs: number;
  /** Taken by the host of the virtual machine. */
  readonly stealMs: number;
}

/** The process and all its descendants. */
export function listProcessTree(pid: number): number[] {
  const pids = [pid];
  for (const thread of readDirectory(`/proc/${pid}/task`)) {
    for (const child of readText(`/proc/${pid}/task/${thread}/children`).split(' ')) {
      if (child.trim() !== '') pids.push(...listProcessTree(Number(child)));
    }
  }
  return pids;
}

/** User and system time of these processes so far, ms; a step of 10 ms. Those that are gone count as 0. */
export function readCpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const text = readText(`/proc/${pid}/stat`);
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * MS_PER_TICK;
}

/** Sum over these processes of a memory figure of /proc/PID/status: `VmRSS` now, `VmHWM` at its highest. MiB. */
export function readMemoryMib(pids: readonly number[], field: 'VmRSS' | 'VmHWM'): number {
  let kib = 0;
  for (const pid of pids) {
    const line = readText(`/proc/${pid}/status`)
      .split('\n')
      .find((candidate) => candidate.startsWith(`${field}:`));
    kib += Number(line?.match(/\d+/)?.[0] ?? 0);
  }
  return kib / 1024;
}

/** CPU time of core number `core`, undefined where /proc/stat does not show it. */
export function readCoreTime(core: number): CoreTime | undefined {
  const line = readText('/proc/stat')
    .split('\n')
    .find((candidate) => candidate.startsWith(`cpu${core} `));
  if (line === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , , , steal = 0] = line.trim().split(/\s+/).slice(1).map(Number);
  return { processesMs: (user + nice + system) * MS_PER_TICK, stealMs: steal * MS_PER_TICK };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function readDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
