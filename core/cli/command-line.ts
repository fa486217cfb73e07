import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CatalogLoader } from '../../config/catalog.js';
import { nodeOf, type Origin } from '../../config/config-node.js';
import { parseFlags } from '../../config/flags.js';
import type { ConfigSource } from '../../config/loader.js';
import { providersOfEnvironment } from '../../config/provider-expansion.js';
import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';

/** File that is used when the command line names none. */
const DEFAULT_FILE = 'gateway.yaml';

/** Gives the plugins; loaded only by commands that need them. */
export async function defaultCatalogLoader(): Promise<CatalogLoader> {
  return (await import('../di/plugin-loader.js')).loadPlugins;
}

/** A command line that was understood, or the code to exit with once the problems are printed. */
export type CommandLine =
  | {
      readonly ok: true;
      readonly source: ConfigSource;
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly exitCode: number };

/** Reads `-c FILE` and flags of `run`, `check`, `config print` and `plugins`. Prints help and errors itself. */
export async function readCommandLine(argv: readonly string[], env: Environment, io: CliIo): Promise<CommandLine> {
  const flags = parseFlags(argv, env);
  if (flags.help) {
    io.stdout.write((await import('./help.js')).helpText());
    return { ok: false, exitCode: ExitCode.Ok };
  }
  const file = flags.file ?? (existsSync(join(io.cwd, DEFAULT_FILE)) ? DEFAULT_FILE : undefined);
  const errors = file === undefined ? flags.errors : [...flags.errors, ...flags.unused];
  if (errors.length > 0) {
    for (const error of errors) io.stderr.write(`smg: ${error}\n`);
    io.stderr.write('smg --help lists all commands and flags\n');
    return { ok: false, exitCode: ExitCode.Usage };
  }
  const providers = file === undefined && argv.length === 0 ? providersOfEnvironment(env) : [];
  if (providers.length > 0) return providerGateway(providers, env, io);
  // A file brings the defaults of files, a bare command line those of SMG.
  const defaults = file === undefined ? flags.defaults : 'standard';
  const source: ConfigSource = { file, flagsPatch: flags.patch, env, cwd: io.cwd, defaults };
  return { ok: true, source, warnings: file === undefined ? [...flags.warnings, ...flags.unused] : flags.warnings };
}

/** No file and no flags, but keys of providers: the gateway is theirs, for this machine alone. */
function providerGateway(providers: readonly string[], env: Environment, io: CliIo): CommandLine {
  const origin: Origin = { source: 'env', label: 'keys of providers', file: undefined, line: 0, column: 0 };
  const values: readonly (readonly [readonly string[], unknown])[] = [
    [['clusters'], providers.map((name) => ({ name, provider: name }))],
    [['listeners'], [{ host: '127.0.0.1', port: 30_000 }]],
  ];
  const flagsPatch = values.map(([path, value]) => ({ path, node: nodeOf(value, path, origin) }));
  io.stderr.write(`smg: no configuration; serving ${providers.join(', ')}, whose keys the environment holds\n`);
  return { ok: true, source: { file: undefined, flagsPatch, env, cwd: io.cwd, defaults: 'standard' }, warnings: [] };
}
