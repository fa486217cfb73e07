import type { CatalogLoader } from '../../config/catalog.js';
import { ConfigErrors } from '../../config/config-errors.js';
import { parseFlags } from '../../config/flags.js';
import { flagsToYaml } from '../../config/from-flags.js';
import { defaultCatalogLoader, readCommandLine } from './command-line.js';
import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';

const USAGE = 'smg config takes print, schema or from-flags; smg --help says more\n';

/** `smg config print | schema | from-flags`. */
export async function configCommand(
  argv: readonly string[],
  env: Environment,
  io: CliIo,
  loadCatalog?: CatalogLoader,
): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case 'print':
      return printConfig(rest, env, io, loadCatalog ?? (await defaultCatalogLoader()));
    case 'schema':
      return printSchema(io, loadCatalog ?? (await defaultCatalogLoader()));
    case 'from-flags':
      return printFromFlags(rest, io);
    default:
      io.stderr.write(command === 'diff' ? 'smg: config diff is not built yet\n' : USAGE);
      return ExitCode.Usage;
  }
}

async function printConfig(
  argv: readonly string[],
  env: Environment,
  io: CliIo,
  loadCatalog: CatalogLoader,
): Promise<number> {
  const own = ['--chain', '--origin'];
  const line = await readCommandLine(
    argv.filter((word) => !own.includes(word)),
    env,
    io,
  );
  if (!line.ok) return line.exitCode;
  const { loadConfig } = await import('../../config/loader.js');
  const { canonicalYaml, printChain } = await import('../../config/print.js');
  try {
    const loaded = await loadConfig(line.source, loadCatalog);
    for (const warning of [...line.warnings, ...loaded.warnings]) io.stderr.write(`warning: ${warning}\n`);
    io.stdout.write(
      argv.includes('--chain') ? printChain(loaded) : canonicalYaml(loaded, { origin: argv.includes('--origin') }),
    );
    return ExitCode.Ok;
  } catch (error) {
    if (!(error instanceof ConfigErrors)) throw error;
    io.stderr.write(`${error.message}\n`);
    return ExitCode.BadConfig;
  }
}

async function printSchema(io: CliIo, loadCatalog: CatalogLoader): Promise<number> {
  const { configJsonSchema } = await import('../../config/json-schema.js');
  const catalog = await loadCatalog([], io.cwd);
  io.stdout.write(`${JSON.stringify(configJsonSchema(catalog), undefined, 2)}\n`);
  return ExitCode.Ok;
}

function printFromFlags(argv: readonly string[], io: CliIo): number {
  const words = argv[0] === '--' ? argv.slice(1) : argv;
  const flags = parseFlags(
    words[0] === 'launch' || words[0] === 'start' || words[0] === 'run' ? words.slice(1) : words,
  );
  const errors = flags.file === undefined ? flags.errors : [...flags.errors, '-c has no place here: only flags have'];
  if (errors.length > 0) {
    for (const error of errors) io.stderr.write(`smg: ${error}\n`);
    return ExitCode.Usage;
  }
  for (const warning of [...flags.warnings, ...flags.unused]) io.stderr.write(`warning: ${warning}\n`);
  io.stdout.write(flagsToYaml(flags.patch).yaml);
  return ExitCode.Ok;
}
