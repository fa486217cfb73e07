import type { Priority } from './scalars.js';
import type { WorkerRuntime, WorkerType } from './worker.js';

/** One worker that a discovery wants. What it leaves out is the cluster's default, or detected. */
export interface DiscoveredWorker {
  /**
   * Base URL, `http://` or `https://`, or a bare `host:port`: then `https` where the cluster has TLS settings, else `http`.
   * Its spelling is the worker's identity within the discovery.
   */
  readonly url: string;
  /** Name of the worker where it comes from, for people; shown as a label. Default: the URL. */
  readonly id?: string | undefined;
  readonly runtime?: WorkerRuntime | undefined;
  readonly workerType?: WorkerType | undefined;
  /** Empty: as the cluster says, else asked for. */
  readonly models?: readonly string[] | undefined;
  readonly priority?: Priority | undefined;
  /** > 0. */
  readonly cost?: number | undefined;
  /** >= 0. */
  readonly weight?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Secret. */
  readonly apiKey?: string | undefined;
}

/** Where a discovery reports. Neither call throws; calls after the end of the discovery are ignored. */
export interface DiscoverySink {
  /**
   * The whole list as it is wanted now, each worker once; the same list again changes nothing. A list is taken at its word:
   * a worker that is not in it goes once the grace is over, and so do all of them after an empty one.
   */
  onWorkers(workers: readonly DiscoveredWorker[]): void;
  /**
   * It could not be found out what is wanted: the last list stays in force. `reason` is a word of a small fixed set, for
   * metrics; `message` is for the log and holds no secret.
   */
  onError(reason: string, message: string): void;
}

/**
 * Keeps the list of a cluster's workers current. One instance serves one cluster and is kept over reloads that leave its
 * settings alone; the lifetime that it was created with ends it.
 */
export interface Discovery {
  /** How long a worker that is missing from the list is still wanted, ms; 0: not at all. */
  readonly graceMs: number;
  /** Begins to report, `onWorkers` or `onError` as soon as it can. Called once; does not block. */
  start(sink: DiscoverySink): void;
}
