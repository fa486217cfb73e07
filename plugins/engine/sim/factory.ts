import { Clock } from '../../../core/api/clock.js';
import { API_VERSION, defineEngine, type Lifetime } from '../../../core/api/define.js';
import type { Engine, RunningEngine } from '../../../core/api/engine.js';
import { HttpServers } from '../../../core/api/http-server.js';
import { Logger } from '../../../core/api/log.js';
import { type SimConfig, simConfigSchema } from './config.js';
import { SimServer, type SimServices } from './server.js';

/** An engine without a model, on a real socket of this process. */
export default defineEngine({
  type: 'sim',
  apiVersion: API_VERSION,
  configSchema: simConfigSchema,
  inject: [HttpServers, Clock, Logger],
  create(config, _lifetime, httpServers, clock, logger) {
    return new SimEnginePlugin(config, { httpServers, clock, logger });
  },
});

class SimEnginePlugin implements Engine {
  readonly #config: SimConfig;
  readonly #services: SimServices;

  constructor(config: SimConfig, services: SimServices) {
    this.#config = config;
    this.#services = services;
  }

  async start(lifetime: Lifetime): Promise<RunningEngine> {
    const server = await SimServer.start(this.#config, this.#services);
    lifetime.onDispose(() => server.close());
    return { url: server.url, ready: Promise.resolve(), models: server.models };
  }
}
