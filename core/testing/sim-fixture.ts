import type { SimConfigInput } from '../../plugins/engine/sim/config.js';
import { type RunningSim, startSimEngine } from '../../plugins/engine/sim/server.js';
import type { Logger } from '../api/log.js';
import { openListener } from '../listener/listener.js';
import { SystemClock } from '../server/system-clock.js';

/** A logger that says nothing. */
export const SILENT_LOGGER: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  isLevelEnabled: () => false,
  child: () => SILENT_LOGGER,
};

/** A simulated engine on a free port of loopback, outside any gateway. */
export function startTestSim(options: SimConfigInput = {}): Promise<RunningSim> {
  const clock = new SystemClock();
  return startSimEngine(options, {
    httpServers: { listen: (address, accept) => openListener({ ...address, clock }, accept) },
    clock,
    logger: SILENT_LOGGER,
  });
}
