import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../config/loader.js';
import { loadPlugins } from '../di/plugin-loader.js';
import { Server } from '../server/server.js';

/** A whole gateway in this process, on port 0, with its config in a folder of its own. */
export interface GatewayFixture {
  readonly server: Server;
  /** `http://127.0.0.1:PORT` of the first listener. */
  readonly url: string;
  readonly port: number;
  /** Where the YAML stands; other files may be put beside it. */
  readonly dir: string;
  readonly configFile: string;
  /** Every line that was logged so far, joined. */
  logText(): string;
  /** The metrics as Prometheus would read them. */
  metricsText(): Promise<string>;
  /** Writes the file anew and reloads. */
  reload(yaml: string): ReturnType<Server['reload']>;
  /** Ends everything. */
  close(): Promise<void>;
}

/** Options of {@link startGateway}. */
export interface GatewayFixtureOptions {
  /** Environment for `$NAME` in the file. Default: empty. */
  readonly env?: Record<string, string>;
  /** Files to put beside the config before it is loaded: name → content. */
  readonly files?: Record<string, string>;
}

/**
 * Starts a gateway from YAML text. Listeners and metrics that the text does not place get 127.0.0.1 and port 0. The real
 * loader, plugins, sockets; only the log goes into memory.
 */
export async function startGateway(yaml: string, options: GatewayFixtureOptions = {}): Promise<GatewayFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'smg-test-'));
  const configFile = join(dir, 'gateway.yaml');
  for (const [name, content] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), content);
  await writeFile(configFile, complete(yaml));
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line), writeAscii: (line: string) => void lines.push(line) };
  const load = (): ReturnType<typeof loadConfig> =>
    loadConfig({ file: configFile, env: options.env ?? {}, cwd: dir, defaults: 'standard' }, loadPlugins);
  let server: Server;
  try {
    server = await Server.start({ load, log: { sink } });
  } catch (error) {
    await rm(dir, { recursive: true });
    throw error;
  }
  const port = server.addresses[0]?.port ?? 0;
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    port,
    dir,
    configFile,
    logText: () => lines.join(''),
    metricsText: async () => {
      const address = server.metricsAddress;
      const response = await fetch(`http://127.0.0.1:${address?.port}/metrics`);
      return response.text();
    },
    reload: async (text) => {
      await writeFile(configFile, complete(text));
      return server.reload('test');
    },
    close: async () => {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Fills in loopback and free ports where the text leaves them out. */
function complete(yaml: string): string {
  let text = yaml;
  if (!/^listeners:/m.test(text)) text += '\nlisteners: [{ name: main, host: 127.0.0.1, port: 0 }]\n';
  if (!/^telemetry:/m.test(text)) text += '\ntelemetry: { metrics: { prometheus: { host: 127.0.0.1, port: 0 } } }\n';
  return text;
}
