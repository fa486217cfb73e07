import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createChatRequest } from './chat-request.js';
import { spawnPinned, stopProcess } from './pinned-process.js';
import { listProcessTree } from './process-stat.js';
import type { Launch, Target } from './targets.js';

const START_LIMIT_MS = 30_000;
const POLL_MS = 2;
const PROBE_BODY_BYTES = 512;
const PROBE_LIMIT_MS = 2_000;

/** A running target: where to send load, and which processes to look at. */
export class RunningGateway {
  readonly port: number;
  readonly http2Port: number | undefined;
  /** From spawning the process to the first 200; 0 for `direct`. */
  readonly coldStartMs: number;
  readonly #child: ChildProcess | undefined;
  readonly #directory: string;

  constructor(
    port: number,
    http2Port: number | undefined,
    coldStartMs: number,
    child: ChildProcess | undefined,
    directory: string,
  ) {
    this.port = port;
    this.http2Port = http2Port;
    this.coldStartMs = coldStartMs;
    this.#child = child;
    this.#directory = directory;
  }

  get isProcess(): boolean {
    return this.#child !== undefined;
  }

  /** The gateway's process and its descendants; empty for `direct`. */
  listPids(): number[] {
    return this.#child?.pid === undefined ? [] : listProcessTree(this.#child.pid);
  }

  async stop(): Promise<void> {
    if (this.#child !== undefined) await stopProcess(this.#child);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Starts a target on free ports and waits for its first 200. Throws with the end of its stderr when none comes. */
export async function startGateway(
  target: Target,
  workers: readonly string[],
  core: number | undefined,
  programPath: (name: string) => string,
): Promise<RunningGateway> {
  const directory = mkdtempSync(join(tmpdir(), `smg-bench-${target.name}-`));
  const [port, extraPort] = await findFreePorts();
  const launch = target.launch({ port, extraPort, workers, directory, programPath });
  if (launch === undefined) {
    return new RunningGateway(Number(new URL(workers[0] ?? '').port), undefined, 0, undefined, directory);
  }
  const startedMs = performance.now();
  const { child, errorPath } = spawnGateway(launch, core, directory);
  const failure = await waitForFirstAnswer(child, port);
  const coldStartMs = performance.now() - startedMs;
  const gateway = new RunningGateway(port, launch.http2Port, coldStartMs, child, directory);
  if (failure === undefined) return gateway;
  const errors = readFileSync(errorPath, 'utf8').slice(-2000);
  await gateway.stop();
  throw new Error(`${target.name} did not start: ${failure}\n${launch.command.join(' ')}\n${errors}`);
}

function spawnGateway(
  launch: Launch,
  core: number | undefined,
  directory: string,
): { child: ChildProcess; errorPath: string } {
  const errorPath = join(directory, 'stderr.log');
  const errors = openSync(errorPath, 'w');
  // stdout, the access log of whoever writes one, goes to /dev/null.
  const child = spawnPinned(launch.command, core, { stdio: ['ignore', 'ignore', errors], cwd: directory });
  closeSync(errors);
  return { child, errorPath };
}

async function waitForFirstAnswer(child: ChildProcess, port: number): Promise<string | undefined> {
  const limitMs = performance.now() + START_LIMIT_MS;
  let last = 'no connection';
  while (performance.now() < limitMs) {
    if (child.pid === undefined || child.exitCode !== null) return `the process ended (${child.exitCode})`;
    const outcome = await probe(port);
    if (outcome === 200) return undefined;
    if (outcome !== undefined) last = `status ${outcome}`;
    await sleep(POLL_MS);
  }
  return last;
}

/** Status of one chat request on a connection of its own; undefined when there was no answer. */
function probe(port: number): Promise<number | undefined> {
  const { body } = createChatRequest(PROBE_BODY_BYTES, 'chat');
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const options = { host: '127.0.0.1', port, method: 'POST', path: '/v1/chat/completions', agent: false, headers };
    const outgoing = request({ ...options, timeout: PROBE_LIMIT_MS }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
      response.once('error', () => resolve(undefined));
    });
    outgoing.once('timeout', () => outgoing.destroy());
    outgoing.once('error', () => resolve(undefined));
    outgoing.end(body);
  });
}

/** Two ports that nothing listens on; both are held while looking, so they differ. */
export async function findFreePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const;
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen({ host: '127.0.0.1', port: 0 }, () => {
            const address = server.address();
            resolve(address !== null && typeof address === 'object' ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}
