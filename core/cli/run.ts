import * as z from 'zod';
import type { CatalogLoader } from '../../config/catalog.js';
import { ConfigErrors } from '../../config/config-errors.js';
import { FileSource } from '../../config/file-source.js';
import type { ClusterConfig } from '../../config/gateway.js';
import { type LoadedConfig, loadConfig } from '../../config/loader.js';
import { ConfigError } from '../api/errors.js';
import type { Server } from '../server/server.js';
import { defaultCatalogLoader, readCommandLine } from './command-line.js';
import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';
import { locatedConfigError } from './located-error.js';
import { packageVersion } from './version.js';

/** Socket errors that mean: what the gateway needs is not there now. */
const UNAVAILABLE = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN']);

/**
 * `smg run`: starts the gateway and resolves with the exit code once it has ended. Reloads on SIGHUP and when a file
 * that the configuration was read from changes; SIGTERM or SIGINT drain, a second one ends at once.
 */
export async function runGateway(
  argv: readonly string[],
  env: Environment,
  io: CliIo,
  loadCatalog?: CatalogLoader,
): Promise<number> {
  // Each schema runs once a load: compiling checks for it takes longer than the checks.
  z.config({ jitless: true });
  const line = await readCommandLine(argv, env, io);
  if (!line.ok) return line.exitCode;
  const loader = loadCatalog ?? (await defaultCatalogLoader());
  const { Server } = await import('../server/server.js');
  let loaded: LoadedConfig | undefined;
  const load = async (): Promise<LoadedConfig> => {
    const next = await loadConfig(line.source, loader);
    loaded = { ...next, warnings: [...line.warnings, ...next.warnings] };
    return loaded;
  };
  let server: Server;
  try {
    server = await Server.start({ load, version: packageVersion() });
  } catch (error) {
    return reportStartFailure(error, loaded, io);
  }
  return new GatewayRun(server, io).untilEnd();
}

function reportStartFailure(error: unknown, loaded: LoadedConfig | undefined, io: CliIo): number {
  if (error instanceof ConfigErrors) {
    io.stderr.write(`${error.message}\n`);
    return ExitCode.BadConfig;
  }
  if (error instanceof ConfigError) {
    io.stderr.write(`${locatedConfigError(error, loaded)}\n`);
    return ExitCode.BadConfig;
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  io.stderr.write(`smg: cannot start: ${message}\n`);
  return UNAVAILABLE.has(code) ? ExitCode.Unavailable : ExitCode.Failure;
}

/** One running gateway with its signals and file watching. */
class GatewayRun {
  readonly #server: Server;
  readonly #io: CliIo;
  readonly #stopListening: (() => void)[] = [];
  #files: FileSource | undefined = undefined;
  #finish: (code: number) => void = () => {};
  #ending = false;

  constructor(server: Server, io: CliIo) {
    this.#server = server;
    this.#io = io;
  }

  untilEnd(): Promise<number> {
    const ended = new Promise<number>((resolve) => {
      this.#finish = resolve;
    });
    this.#watchFiles();
    this.#stopListening.push(
      this.#io.onSignal('SIGHUP', () => void this.#reload('SIGHUP')),
      this.#io.onSignal('SIGTERM', () => this.#onEndSignal(ExitCode.Terminated)),
      this.#io.onSignal('SIGINT', () => this.#onEndSignal(ExitCode.Interrupted)),
    );
    this.#announce();
    return ended;
  }

  #watchFiles(): void {
    const { config, watchedFiles } = this.#server.loaded;
    const { watch, debounce, poll } = config.admin.reload;
    if (!watch || watchedFiles.length === 0) return;
    const onChange = (): void => void this.#reload('file changed');
    this.#files = new FileSource({ files: watchedFiles, debounceMs: debounce, pollMs: poll, onChange });
  }

  async #reload(reason: string): Promise<void> {
    if (this.#ending) return;
    const result = await this.#server.reload(reason);
    const failed = result.ok ? undefined : result.error;
    // A rejected file is watched like a good one: its repair is the next reload.
    const rejected = failed instanceof ConfigErrors ? failed.watchedFiles : [];
    this.#files?.update([...new Set([...this.#server.loaded.watchedFiles, ...rejected])]);
  }

  #onEndSignal(forcedCode: number): void {
    if (this.#ending) {
      this.#end(forcedCode);
      return;
    }
    this.#ending = true;
    this.#files?.close();
    void this.#drainAndStop();
  }

  async #drainAndStop(): Promise<void> {
    const { logger } = this.#server.services.log;
    try {
      await this.#server.drain();
      logger.info({}, 'gateway ended');
      await this.#server.stop();
      this.#end(ExitCode.Ok);
    } catch (error) {
      this.#io.stderr.write(`smg: ended badly: ${error instanceof Error ? error.message : String(error)}\n`);
      this.#end(ExitCode.Failure);
    }
  }

  #end(code: number): void {
    for (const stop of this.#stopListening) stop();
    this.#finish(code);
  }

  /** After the sockets are bound: what a person and a log reader want to know. */
  #announce(): void {
    const { config } = this.#server.loaded;
    const metrics = this.#server.metricsAddress;
    const probes = this.#server.probeAddresses.map((address) => ({ ...address, scheme: 'http' }));
    const places = [...this.#server.addresses, ...probes];
    const listeners = places.map(({ name, host, port, scheme }) => `${name} ${urlOf(host, port, scheme)}`);
    const clusters = config.clusters.map(({ name, workers, engine, discovery, policy }) => ({
      name,
      workers: workers.length + (engine?.count ?? 0),
      discovery: discovery?.type,
      policy: policy.name,
    }));
    const facts = {
      version: packageVersion(),
      listeners,
      metrics: metrics === undefined ? 'off' : `${urlOf(metrics.host, metrics.port)}/metrics`,
      clusters,
      plugins: config.plugins.map((plugin) => plugin.package),
    };
    this.#server.services.log.logger.info(facts, 'gateway started');
    const first = this.#server.addresses[0];
    const embedded = config.clusters.find((cluster) => cluster.engine !== undefined);
    if (first === undefined || embedded === undefined) return;
    this.#io.stderr.write(hints(urlOf(first.host, first.port, first.scheme), modelOf(embedded)));
  }
}

function urlOf(host: string, port: number, scheme = 'http'): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A model that the embedded engines of a cluster serve. */
function modelOf(cluster: ClusterConfig): string {
  const { models } = (cluster.engine?.config ?? {}) as { models?: readonly unknown[] };
  return String(cluster.models[0] ?? models?.[0] ?? 'sim');
}

/** What to try with engines that are part of the gateway. */
function hints(url: string, model: string): string {
  const base = url.replace('0.0.0.0', '127.0.0.1').replace('[::]', '[::1]');
  return [
    '',
    'Try:',
    `  curl ${base}/v1/models`,
    `  curl ${base}/v1/chat/completions -H 'content-type: application/json' \\`,
    `    -d '{"model": "${model}", "stream": true, "messages": [{"role": "user", "content": "hello"}]}'`,
    '',
    '',
  ].join('\n');
}
