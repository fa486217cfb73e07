import { DEFAULT_DRAIN, DEFAULT_HEALTH_CHECK, DEFAULT_POOL, DEFAULT_STARTUP, type WorkerSpec } from './worker-spec.js';

/** A vLLM worker of which everything is stated, with the defaults of everything else. */
export function createWorkerSpec(change: Partial<WorkerSpec> = {}): WorkerSpec {
  return {
    url: 'http://worker.test:8000',
    cluster: 'c',
    runtime: 'vllm',
    workerType: 'regular',
    backend: 'openai_compatible',
    models: ['m'],
    priority: 50,
    cost: 1,
    weight: 1,
    labels: {},
    apiKey: undefined,
    health: DEFAULT_HEALTH_CHECK,
    pool: DEFAULT_POOL,
    startup: DEFAULT_STARTUP,
    drain: DEFAULT_DRAIN,
    ...change,
  };
}
