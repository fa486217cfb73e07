import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePorts } from '../gateway/gateway-start.js';
import { stopProcess } from '../gateway/pinned-process.js';
import { listProcessTree, readCpuMs, readMemoryMib } from '../gateway/process-stat.js';
import { repositoryPath } from '../gateway/program.js';

interface Reply {
  readonly status: number;
  readonly body: string;
}

/** A built gateway without workers in a process of its own, and the calls that give it some. */
export class AdminClient {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  private constructor(port: number, child: ChildProcess, directory: string) {
    this.port = port;
    this.#child = child;
    this.#directory = directory;
  }

  static async start(name: string): Promise<AdminClient> {
    const directory = mkdtempSync(join(tmpdir(), `smg-${name}-`));
    const [port] = await findFreePorts();
    const file = join(directory, 'gateway.yaml');
    writeFileSync(
      file,
      `listeners: [{ host: 127.0.0.1, port: ${port} }]\ntelemetry: { metrics: { prometheus: off } }\nclusters: [{ name: fleet, policy: power_of_two }]\n`,
    );
    const child = spawn(process.execPath, [repositoryPath('dist/bin/main.js'), 'run', '-c', file], {
      stdio: ['ignore', 'ignore', 'inherit'],
      cwd: directory,
    });
    const client = new AdminClient(port, child, directory);
    while (true) {
      try {
        if ((await client.call('GET', '/health')).status === 200) return client;
      } catch {
        if (child.exitCode !== null) throw new Error(`the gateway ended (${child.exitCode}); npm run build?`);
      }
      await sleep(10);
    }
  }

  /** The id of the new worker. */
  async add(url: string): Promise<string> {
    const { status, body } = await this.call('POST', '/workers', JSON.stringify({ url }));
    if (status !== 202) throw new Error(`POST /workers: ${status} ${body}`);
    return (JSON.parse(body) as { worker_id: string }).worker_id;
  }

  async remove(id: string): Promise<void> {
    const { status, body } = await this.call('DELETE', `/workers/${id}`);
    if (status !== 202) throw new Error(`DELETE /workers: ${status} ${body}`);
  }

  async readyCount(): Promise<number> {
    const { body } = await this.call('GET', '/readiness');
    return (JSON.parse(body) as { healthy_workers?: number }).healthy_workers ?? 0;
  }

  async untilReady(count: number): Promise<void> {
    while ((await this.readyCount()) < count) await sleep(10);
  }

  async timeList(times: number): Promise<{ median: number; slowest: number }> {
    const all: number[] = [];
    for (let i = 0; i < times; i++) {
      const startedMs = performance.now();
      await this.call('GET', '/workers');
      all.push(performance.now() - startedMs);
    }
    all.sort((left, right) => left - right);
    return { median: all[times >> 1] as number, slowest: all.at(-1) as number };
  }

  /** Status of one chat request; 0 when the connection broke. */
  async chat(model: string): Promise<number> {
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] });
    return (await this.call('POST', '/v1/chat/completions', body).catch(() => ({ status: 0 }))).status;
  }

  async requestCpuUs(model: string, requests: number): Promise<number> {
    for (let i = 0; i < 500; i++) await this.chat(model);
    const before = this.cpuMs();
    for (let i = 0; i < requests; i++) {
      const status = await this.chat(model);
      if (status !== 200) throw new Error(`a chat request was answered with ${status}`);
    }
    return ((this.cpuMs() - before) * 1_000) / requests;
  }

  cpuMs(): number {
    return readCpuMs(listProcessTree(this.#child.pid ?? 0));
  }

  rssMib(): number {
    return readMemoryMib(listProcessTree(this.#child.pid ?? 0), 'VmRSS');
  }

  call(method: string, path: string, body?: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const headers =
        body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const options = { host: '127.0.0.1', port: this.port, method, path, agent: this.#agent, headers };
      const outgoing = request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
        response.once('error', reject);
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    await stopProcess(this.#child);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
