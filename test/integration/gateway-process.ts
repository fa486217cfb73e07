import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'core/main.ts');

/** A gateway in a process of its own, run from source. */
export interface GatewayProcess {
  readonly child: ChildProcess;
  /** Base URL by listener name. */
  readonly urls: Readonly<Record<string, string>>;
  /** JSON log lines so far. */
  logLines(): Record<string, unknown>[];
  /** The first log line with this message, when it comes. */
  logged(message: string): Promise<Record<string, unknown>>;
  /** Exit code, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals>;
  /** For the end of a test: kills what still runs. */
  close(): Promise<void>;
}

/** Starts `smg -c FILE` and resolves once it listens. The YAML must place its listeners on 127.0.0.1 and port 0. */
export async function startGatewayProcess(yaml: string): Promise<GatewayProcess> {
  const dir = await mkdtemp(join(tmpdir(), 'smg-process-'));
  const file = join(dir, 'gateway.yaml');
  await writeFile(
    file,
    `${yaml}\ntelemetry: { metrics: { prometheus: off }, logs: { format: json, access: false } }\n`,
  );
  const started = await startSmg(['-c', file]);
  return {
    ...started,
    close: async () => {
      await started.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What a process gets beside its arguments. */
export interface SmgProcessOptions {
  /** Beside `PATH`, all there is. */
  readonly env?: Readonly<Record<string, string>>;
  /** Modules that are loaded before it. */
  readonly imports?: readonly string[];
}

/** Starts `smg` with these arguments, which must make it log JSON and listen on port 0, and resolves once it listens. */
export async function startSmg(args: readonly string[], options: SmgProcessOptions = {}): Promise<GatewayProcess> {
  const imports = ['tsx', ...(options.imports ?? [])].flatMap((module) => ['--import', module]);
  const child = spawn(process.execPath, [...imports, MAIN, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [text, errors] = ['', ''];
  const waiting = new Set<() => void>();
  child.stdout?.on('data', (chunk) => {
    text += chunk;
    for (const check of waiting) check();
  });
  child.stderr?.on('data', (chunk) => (errors += chunk));
  const exit = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? -1));
  });
  const logLines = (): Record<string, unknown>[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const logged = (message: string): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const line = logLines().find((candidate) => candidate.msg === message);
        if (line === undefined) return;
        waiting.delete(check);
        resolve(line);
      };
      waiting.add(check);
      void exit.then((code) => reject(new Error(`ended with ${code} before "${message}"\n${text}${errors}`)));
      check();
    });
  const { listeners } = (await logged('gateway started')) as { listeners: string[] };
  return {
    child,
    urls: Object.fromEntries(listeners.map((place) => place.split(' ') as [string, string])),
    logLines,
    logged,
    exit,
    close: async () => {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
