import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { ListenerConfig } from '../../config/listener.js';
import type { Logger } from '../api/log.js';
import type { ModelReadiness } from './probe-answers.js';
import type { Readiness } from './readiness.js';

/** What the thread is started with. */
export interface ProbeWorkerData {
  readonly host: string;
  readonly port: number;
  readonly memory: SharedArrayBuffer;
  readonly table: ModelReadiness;
}

/** What the thread says, once: where it listens, or why it cannot. */
export type ProbeWorkerMessage =
  | { readonly host: string; readonly port: number }
  | { readonly message: string; readonly code: string | undefined };

/** The thread's file: beside this one, in `dist/core/server` as in `dist/bin`, where it is an entry of its own. */
const WORKER_URL = new URL('./probe-worker.js', import.meta.url);
const MAX_HEAP_MIB = 32;

/**
 * Run from sources, as tests do, the thread has to be taught TypeScript before it can load its file: Node 20 does not hand
 * the loader of the main thread on.
 */
function startThread(options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(WORKER_URL, options);
  const tsx = import.meta.resolve('tsx/esm/api');
  const source = WORKER_URL.href.replace(/js$/, 'ts');
  const code = `import(${JSON.stringify(tsx)}).then(({ register }) => (register(), import(${JSON.stringify(source)})));`;
  return new Worker(code, { ...options, eval: true });
}

/** One probe listener, on a thread of its own. */
class ProbeListener {
  readonly key: string;
  name: string;
  readonly host: string;
  readonly port: number;
  readonly #worker: Worker;
  readonly #unsubscribe: () => void;

  private constructor(config: ListenerConfig, place: { host: string; port: number }, worker: Worker, stop: () => void) {
    this.key = keyOf(config);
    this.name = config.name;
    this.host = place.host;
    this.port = place.port;
    this.#worker = worker;
    this.#unsubscribe = stop;
  }

  /** Rejects with an error that has the code of the operating system when the socket cannot be had. */
  static async open(config: ListenerConfig, readiness: Readiness, logger: Logger): Promise<ProbeListener> {
    const data: ProbeWorkerData = {
      host: config.host,
      port: config.port,
      memory: readiness.board.memory,
      table: readiness.table,
    };
    const worker = startThread({
      name: `probe listener ${config.name}`,
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
    });
    const unsubscribe = readiness.onTable((table) => worker.postMessage(table));
    try {
      const place = await firstMessage(worker);
      worker.on('error', (error) => logger.error({ err: error, listener: config.name }, 'a probe listener has failed'));
      return new ProbeListener(config, place, worker, unsubscribe);
    } catch (error) {
      unsubscribe();
      await worker.terminate();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#worker.terminate();
  }
}

/** Probe listeners that wait for their generation to become current. */
export interface PreparedProbes {
  commit(): void;
  abandon(): Promise<void>;
}

/** The probe listeners of the process; one that a reload does not change goes on. They end with the process, undrained. */
export class ProbeListeners {
  readonly #readiness: Readiness;
  readonly #logger: Logger;
  #current: ProbeListener[] = [];

  constructor(readiness: Readiness, logger: Logger) {
    this.#readiness = readiness;
    this.#logger = logger;
  }

  /** Bound addresses, in the order of the config. */
  get addresses(): readonly { readonly name: string; readonly host: string; readonly port: number }[] {
    return this.#current.map(({ name, host, port }) => ({ name, host, port }));
  }

  /** Binds what is new. Rejects with the first socket that cannot be had, nothing left open. */
  async prepare(configs: readonly ListenerConfig[]): Promise<PreparedProbes> {
    const opened: ProbeListener[] = [];
    const next: ProbeListener[] = [];
    const abandon = async (): Promise<void> => {
      await Promise.all(opened.map((listener) => listener.close()));
    };
    try {
      for (const config of configs) {
        const kept = this.#current.find((listener) => listener.key === keyOf(config));
        const listener = kept ?? (await ProbeListener.open(config, this.#readiness, this.#logger));
        if (kept === undefined) opened.push(listener);
        listener.name = config.name;
        next.push(listener);
      }
    } catch (error) {
      await abandon();
      throw error;
    }
    return {
      commit: () => {
        const gone = this.#current.filter((listener) => !next.includes(listener));
        this.#current = next;
        for (const listener of gone) void listener.close();
      },
      abandon,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#current.map((listener) => listener.close()));
  }
}

/** Equal keys: one socket. A port that the system chooses belongs to the name. */
function keyOf({ name, host, port }: ListenerConfig): string {
  return JSON.stringify([host, port === 0 ? name : port]);
}

function firstMessage(worker: Worker): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number): void => reject(new Error(`the probe listener's thread ended with ${code}`));
    worker.once('error', reject);
    worker.once('exit', onExit);
    worker.once('message', (message: ProbeWorkerMessage) => {
      worker.off('error', reject);
      worker.off('exit', onExit);
      if ('port' in message) resolve(message);
      else reject(Object.assign(new Error(message.message), { code: message.code }));
    });
  });
}
