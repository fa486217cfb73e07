import * as z from 'zod';
import {
  type Backends,
  type Clock,
  type Counter,
  type Family,
  headerName,
  type StatsScope,
  type Worker,
} from '../../core/api/index.js';
import { JsonScanner } from '../../core/inference/json-scan.js';
import { ForwardedNames } from './worker-headers.js';

/** Fields that would break the framing or the trust between gateway and worker if a client could set them. */
const NEVER_FORWARDED: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'expect',
  'te',
  'trailer',
  'upgrade',
  'accept-encoding',
]);

export const configSchema = z.strictObject({
  forward_headers: z
    .array(
      headerName().refine((name) => !NEVER_FORWARDED.has(name), {
        error: 'this field belongs to the connection and cannot be forwarded',
      }),
    )
    .default([])
    .describe('Request header fields that workers get in addition to the usual ones, by name'),
  propagate_trace: z
    .boolean()
    .default(false)
    .describe("Cloud APIs get the caller's traceparent and tracestate too; engines always do. Default false."),
});

export type UpstreamSettings = z.output<typeof configSchema>;

/** What the runs of one generation share. */
export class UpstreamFilterConfig {
  readonly backends: Backends;
  readonly clock: Clock;
  readonly forwardedNames: ForwardedNames;
  /** For the events of streams. */
  readonly scanner = new JsonScanner();
  readonly #errors: Family<Counter>;

  constructor(settings: UpstreamSettings, backends: Backends, clock: Clock, stats: StatsScope) {
    this.backends = backends;
    this.clock = clock;
    this.forwardedNames = new ForwardedNames(settings.forward_headers, settings.propagate_trace);
    this.#errors = stats.counter({
      name: 'smg_worker_errors_total',
      help: 'Attempts that failed at a worker: an answer of 5xx, or none',
      labels: ['worker_type', 'connection_mode', 'error_type'],
    });
  }

  /** `errorType`: an error code, or `status_` and the status. */
  countError(worker: Worker, errorType: string): void {
    this.#errors.with(worker.workerType, worker.url.startsWith('grpc') ? 'grpc' : 'http', errorType).inc();
  }
}
