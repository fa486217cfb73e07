import { parseSimArgs, simHelp } from '../../plugins/engine/sim/command-line.js';
import type { SimConfig } from '../../plugins/engine/sim/config.js';
import { SimServer } from '../../plugins/engine/sim/server.js';
import { ConfigError } from '../api/errors.js';
import { createProcessServices } from '../di/composition-root.js';
import { ExitCode } from './exit-codes.js';
import type { CliIo, Environment } from './io.js';
import { packageVersion } from './version.js';

/** `smg sim`: runs one simulated engine until a signal comes. */
export async function runSim(argv: readonly string[], _env: Environment, io: CliIo): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    io.stdout.write(simHelp());
    return ExitCode.Ok;
  }
  let config: SimConfig;
  try {
    config = parseSimArgs(argv);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    io.stderr.write(`smg sim: ${error.message}\n`);
    return ExitCode.Usage;
  }
  const { servers, clock, log } = createProcessServices({ format: 'text' }, packageVersion());
  try {
    const sim = await SimServer.start(config, { httpServers: servers, clock, logger: log.logger });
    io.stdout.write(`simulated engine "${sim.name}" serves ${sim.models.join(', ')} on ${sim.url}\n`);
    await signalled(io);
    await sim.close();
    return ExitCode.Ok;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    io.stderr.write(`smg sim: cannot start: ${message}\n`);
    return (error as NodeJS.ErrnoException | undefined)?.code === undefined ? ExitCode.Failure : ExitCode.Unavailable;
  } finally {
    await log.close();
  }
}

/** Resolves at the first signal that ends a process. */
function signalled(io: CliIo): Promise<void> {
  return new Promise((resolve) => {
    const stops = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      io.onSignal(signal, () => {
        for (const stop of stops) stop();
        resolve();
      }),
    );
  });
}
