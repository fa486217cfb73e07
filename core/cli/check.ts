import type { CatalogLoader } from '../../config/catalog.js';
import { ConfigErrors } from '../../config/config-errors.js';
import { loadConfig } from '../../config/loader.js';
import { defaultCatalogLoader, readCommandLine } from './command-line.js';
import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';

/** `smg check`: every check of a start, without opening a socket. Problems go to stderr, one line each. */
export async function checkConfig(
  argv: readonly string[],
  env: Environment,
  io: CliIo,
  loadCatalog?: CatalogLoader,
): Promise<number> {
  const line = await readCommandLine(argv, env, io);
  if (!line.ok) return line.exitCode;
  try {
    const loaded = await loadConfig(line.source, loadCatalog ?? (await defaultCatalogLoader()));
    for (const warning of [...line.warnings, ...loaded.warnings]) io.stderr.write(`warning: ${warning}\n`);
    const { listeners, clusters, filters } = loaded.config;
    const workers = clusters.reduce((sum, { workers, engine }) => sum + workers.length + (engine?.count ?? 0), 0);
    const name = line.source.file ?? 'the command line';
    const counts = [
      counted(listeners.length, 'listener'),
      counted(filters.length, 'filter'),
      counted(clusters.length, 'cluster'),
      counted(workers, 'worker'),
    ];
    io.stdout.write(`${name} is good: ${counts.join(', ')}\n`);
    return ExitCode.Ok;
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error;
    io.stderr.write(`${error.message}\n`);
    return ExitCode.BadConfig;
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
