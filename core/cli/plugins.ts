import type { CatalogLoader, PluginCatalog } from '../../config/catalog.js';
import { ConfigErrors } from '../../config/config-errors.js';
import { loadConfig } from '../../config/loader.js';
import type { PluginKind } from '../api/index.js';
import { defaultCatalogLoader, readCommandLine } from './command-line.js';
import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';

const KINDS: readonly PluginKind[] = ['filter', 'policy', 'api', 'backend', 'engine', 'discovery'];

/** `smg plugins`: every type by kind with what it needs; with a file also those of its packages. */
export async function listPlugins(
  argv: readonly string[],
  env: Environment,
  io: CliIo,
  loadCatalog?: CatalogLoader,
): Promise<number> {
  const line = await readCommandLine(argv, env, io);
  if (!line.ok) return line.exitCode;
  const loader = loadCatalog ?? (await defaultCatalogLoader());
  try {
    const catalog =
      line.source.file === undefined ? await loader([], io.cwd) : (await loadConfig(line.source, loader)).catalog;
    io.stdout.write(catalogText(catalog));
    return ExitCode.Ok;
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error;
    io.stderr.write(`${error.message}\n`);
    return ExitCode.BadConfig;
  }
}

/** One block per kind, one line per type: facts that the chain checks, and its settings. */
function catalogText(catalog: PluginCatalog): string {
  const blocks = KINDS.flatMap((kind) => {
    const types = [...catalog.types(kind)].sort();
    if (types.length === 0) return [];
    const width = Math.max(...types.map((type) => type.length));
    return [`${kind}:\n${types.map((type) => `  ${type.padEnd(width)}${factsOf(catalog, kind, type)}`).join('\n')}\n`];
  });
  return blocks.join('\n');
}

function factsOf(catalog: PluginCatalog, kind: PluginKind, type: string): string {
  const plugin = catalog.get(kind, type);
  if (plugin === undefined) return '';
  const facts: string[] = [];
  if (plugin.kind === 'filter') {
    if (plugin.terminal === true) facts.push('ends the chain');
    if (plugin.nesting === true) facts.push('nests');
    if ((plugin.requires ?? []).length > 0) facts.push(`needs ${plugin.requires?.join(', ')}`);
    if ((plugin.provides ?? []).length > 0) facts.push(`gives ${plugin.provides?.join(', ')}`);
  }
  const shape = (plugin.configSchema.def as { shape?: object }).shape;
  const settings = Object.keys(shape ?? {});
  if (settings.length > 0) facts.push(`settings: ${settings.join(', ')}`);
  return facts.length === 0 ? '' : `  ${facts.join('; ')}`;
}
