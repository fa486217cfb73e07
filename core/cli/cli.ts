import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';
import { versionText } from './version.js';

type Command = (argv: readonly string[], env: Environment, io: CliIo) => Promise<number>;

/** Each command is imported only when it is called: `smg --version` loads nothing of the gateway. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run.js')).runGateway,
  launch: async () => (await import('./run.js')).runGateway,
  start: async () => (await import('./run.js')).runGateway,
  check: async () => (await import('./check.js')).checkConfig,
  config: async () => (await import('./config.js')).configCommand,
  plugins: async () => (await import('./plugins.js')).listPlugins,
  sim: async () => (await import('./sim.js')).runSim,
  help: async () => printHelp,
};

/** Commands of SMG that are recognised and refused. */
const PLANNED_COMMANDS = ['serve', 'reload'];

const printHelp: Command = async (_argv, _env, io) => {
  io.stdout.write((await import('./help.js')).helpText());
  return ExitCode.Ok;
};

/**
 * Runs one command line (without `node` and the script) and gives its exit code. Version words win over everything,
 * wherever they stand; a first word that is no flag names the command, `run` is the default.
 */
export async function runCli(argv: readonly string[], env: Environment, io: CliIo): Promise<number> {
  const version = argv.find((word) => word === '--version' || word === '-V' || word === '--version-verbose');
  if (version !== undefined) {
    io.stdout.write(versionText(version === '--version-verbose'));
    return ExitCode.Ok;
  }
  const [first, ...rest] = argv;
  if (first === undefined || first.startsWith('-')) {
    const command = await (COMMANDS.run as () => Promise<Command>)();
    return command(argv, env, io);
  }
  if (Object.hasOwn(COMMANDS, first)) {
    const command = await (COMMANDS[first] as () => Promise<Command>)();
    return command(rest, env, io);
  }
  const { didYouMean } = await import('../../config/did-you-mean.js');
  const reason = PLANNED_COMMANDS.includes(first)
    ? `the command ${first} is not built yet`
    : `unknown command "${first.slice(0, 60)}"${didYouMean(first, Object.keys(COMMANDS))}`;
  io.stderr.write(`smg: ${reason}\nsmg --help lists all commands and flags\n`);
  return ExitCode.Usage;
}
