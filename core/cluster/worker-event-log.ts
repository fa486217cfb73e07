import type { Logger } from '../api/log.js';
import type { WorkerEvent, WorkerRegistry } from './worker-registry.js';

/** Writes a line for every change of a worker, for operators: URLs are in it, keys are not. Returns the way to stop. */
export function logWorkerEvents(registry: WorkerRegistry, log: Logger): () => void {
  return registry.onChange((event) => write(event, log));
}

function write({ worker, change, previousHealth }: WorkerEvent, log: Logger): void {
  const fields = { worker: worker.id, url: worker.url, cluster: worker.cluster };
  if (change === 'health') {
    const transition = { ...fields, from: previousHealth, to: worker.health, reason: worker.healthReason || undefined };
    if (worker.health === 'unhealthy') log.warn(transition, 'worker is unhealthy');
    else if (worker.health === 'failed') log.warn(transition, 'worker has failed; it is tried on');
    else log.info(transition, `worker is ${worker.health}`);
  } else if (change === 'models') {
    log.info({ ...fields, models: worker.models, runtime: worker.runtime }, 'models of a worker are known');
  } else if (change === 'reason') {
    // What makes a healthy worker fail is said when it has failed often enough to be out.
    if (worker.health === 'pending') log.warn({ ...fields, reason: worker.healthReason }, 'worker is not ready yet');
  } else if (change !== 'selection') {
    log.info(fields, MESSAGES[change]);
  }
}

const MESSAGES = {
  added: 'worker added',
  settings: 'settings of a worker changed',
  removed: 'worker removed',
} as const;
