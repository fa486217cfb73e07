import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { listProcessTree } from './process-stat.js';

const TERMINATE_LIMIT_MS = 4_000;

/** Whether processes can be bound to a core here. */
export function canPin(): boolean {
  return spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Binds this very process, with all its threads, to one core. */
export function pinSelf(core: number): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)], { stdio: 'ignore' });
}

/** Starts a command, bound to `core` unless that is undefined. It does not outlive this process. */
export function spawnPinned(command: readonly string[], core: number | undefined, options: SpawnOptions): ChildProcess {
  const [program = '', ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  const child = spawn(program, args, options);
  // A command that does not exist has no pid; whoever waits for the process looks there.
  child.once('error', () => {});
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return child;
}

/** Asks the process to end, and kills it with all its descendants when it does not within 4 s. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const pids = listProcessTree(pid);
  const exited = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)));
  child.kill('SIGTERM');
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), TERMINATE_LIMIT_MS);
  });
  const hasExited = await Promise.race([exited, expired]);
  clearTimeout(timer);
  if (hasExited) return;
  for (const member of pids) {
    try {
      process.kill(member, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  await exited;
}
