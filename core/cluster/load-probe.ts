import type { WorkerRuntime } from '../api/worker.js';
import { type ControlClient, type FetchOptions, fetchResponse, isSuccess } from './control-fetch.js';
import { workerRoot } from './detection/worker-questions.js';
import { type EngineReport, readEngineMetrics, readGetLoad, readLoads } from './engine-metrics.js';

/** A way to ask for load. */
interface LoadSource {
  readonly path: string;
  /** Undefined: not what was expected, so the engine does not have it. */
  read(body: Buffer, runtime: WorkerRuntime): EngineReport | undefined;
}

const LOADS: LoadSource = {
  path: '/v1/loads?include=core,disagg,queues,memory',
  read: (body) => readLoads(parseJson(body)),
};
const METRICS: LoadSource = { path: '/metrics', read: readEngineMetrics };
const GET_LOAD: LoadSource = { path: '/get_load', read: (body) => readGetLoad(parseJson(body)) };

/** Metrics pages of real engines have some hundred KiB. */
const MAX_BYTES = 4 * 1024 * 1024;
const ABSENT_STATUSES: ReadonlySet<number> = new Set([404, 405, 501]);

/** What one round of questions brought. `absent`: the engine has none of the endpoints. */
export type LoadAnswer = EngineReport | 'absent' | 'failed';

/**
 * Asks one worker for its load by the first of the known endpoints that it has; those that it does not have are not asked
 * again. One instance per worker and runtime.
 */
export class LoadProbe {
  /** What `sources` begins with is what the engine was last found to have. */
  readonly #sources: LoadSource[];
  readonly #runtime: WorkerRuntime;

  constructor(runtime: WorkerRuntime) {
    this.#runtime = runtime;
    if (runtime === 'external') this.#sources = [];
    else if (runtime === 'vllm') this.#sources = [LOADS, METRICS];
    else if (runtime === 'sglang') this.#sources = [LOADS, METRICS, GET_LOAD];
    else this.#sources = [LOADS];
  }

  get absent(): boolean {
    return this.#sources.length === 0;
  }

  /** Never rejects. */
  async ask(client: ControlClient, url: string, options: FetchOptions): Promise<LoadAnswer> {
    let source = this.#sources[0];
    while (source !== undefined) {
      let status: number;
      let body: Buffer;
      try {
        const answer = await fetchResponse(client, workerRoot({ url }) + source.path, {
          ...options,
          maxBytes: MAX_BYTES,
        });
        status = answer.status;
        body = answer.body;
      } catch {
        // Not reached: the caller counts it, and health checks say why.
        return 'failed';
      }
      const report = isSuccess(status) ? source.read(body, this.#runtime) : undefined;
      if (report !== undefined) return report.ranks.length > 0 ? report : 'failed';
      if (!isSuccess(status) && !ABSENT_STATUSES.has(status)) return 'failed';
      this.#sources.shift();
      source = this.#sources[0];
    }
    return 'absent';
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // Not JSON is not the endpoint that was asked for; the reader says so of `undefined`.
    return undefined;
  }
}
