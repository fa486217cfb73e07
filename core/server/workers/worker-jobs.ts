import { randomUUID } from 'node:crypto';
import type { Clock } from '../../api/clock.js';
import { formatDuration } from '../../api/config-scalars.js';
import type { ManagedWorker } from '../../cluster/worker.js';
import type { WorkerEvent } from '../../cluster/worker-registry.js';

/** Names of SMG's job queue. */
export type JobType = 'AddWorker' | 'UpdateWorker' | 'RemoveWorker';

/** A job as it is shown. */
export interface JobView {
  readonly id: string;
  readonly job_type: JobType;
  readonly worker_id: string;
  readonly worker_url: string;
  readonly status: 'processing' | 'failed' | 'succeeded';
  readonly message?: string;
  /** Unix seconds of the last change. */
  readonly timestamp: number;
}

interface Job {
  readonly id: string;
  readonly type: JobType;
  readonly worker: ManagedWorker;
  outcome: { readonly status: 'failed' | 'succeeded'; readonly message: string | undefined } | undefined;
  timestamp: number;
}

/** Ended jobs that are remembered. */
const MAX_ENDED = 1_000;

/**
 * What became of the requests of the admin API that take their time: a worker that was added is there when it is ready, one
 * that was removed is gone when its last request is; an addition is shown as failed while its worker is, which is tried on all
 * the same. Jobs do nothing themselves; they watch. One worker has one unfinished
 * job at most.
 */
export class WorkerJobs {
  readonly #clock: Clock;
  readonly #byId = new Map<string, Job>();
  readonly #current = new Map<ManagedWorker, Job>();
  /** Ids, oldest first. */
  readonly #ended: string[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a job, which takes the place of the worker's present one. Returns its id. */
  start(type: JobType, worker: ManagedWorker): string {
    const present = this.#current.get(worker);
    if (present?.type === type && present.outcome === undefined) return present.id;
    if (present !== undefined) this.#end(present, 'failed', `another ${type} job took its place`);
    const job: Job = {
      id: randomUUID(),
      type,
      worker,
      outcome: undefined,
      timestamp: this.#now(),
    };
    this.#byId.set(job.id, job);
    this.#current.set(worker, job);
    this.#check(job);
    return job.id;
  }

  /** A job, for as long as it is remembered. */
  get(id: string): JobView | undefined {
    const job = this.#byId.get(id);
    return job === undefined ? undefined : this.#view(job);
  }

  /** Unfinished and remembered ones, oldest first. */
  list(): JobView[] {
    return Array.from(this.#byId.values(), (job) => this.#view(job));
  }

  /** The worker's unfinished job. */
  of(worker: ManagedWorker): JobView | undefined {
    const job = this.#current.get(worker);
    return job === undefined ? undefined : this.#view(job);
  }

  /** From the registry. */
  onWorkerEvent({ worker, change }: WorkerEvent): void {
    const job = this.#current.get(worker);
    if (job === undefined) return;
    if (change !== 'removed') this.#check(job);
    else if (job.type === 'RemoveWorker') this.#end(job, 'succeeded', undefined);
    else this.#end(job, 'failed', 'the worker was removed');
  }

  #check(job: Job): void {
    if (job.type === 'UpdateWorker') this.#end(job, 'succeeded', undefined);
    if (job.type === 'AddWorker' && job.worker.health === 'healthy') this.#end(job, 'succeeded', undefined);
  }

  #end(job: Job, status: 'failed' | 'succeeded', message: string | undefined): void {
    job.outcome = { status, message };
    job.timestamp = this.#now();
    this.#current.delete(job.worker);
    this.#ended.push(job.id);
    if (this.#ended.length > MAX_ENDED) this.#byId.delete(this.#ended.shift() as string);
  }

  #view(job: Job): JobView {
    const { id, type, worker, outcome, timestamp } = job;
    const failed = type === 'AddWorker' && worker.health === 'failed';
    const status = outcome?.status ?? (failed ? 'failed' : 'processing');
    const message = outcome === undefined ? describeProgress(job) : outcome.message;
    return {
      id,
      job_type: type,
      worker_id: worker.id,
      worker_url: worker.url,
      status,
      ...(message === undefined ? {} : { message }),
      timestamp,
    };
  }

  #now(): number {
    return Math.floor(this.#clock.nowMs() / 1_000);
  }
}

function describeProgress({ type, worker }: Job): string | undefined {
  if (type === 'RemoveWorker') return `${worker.inFlight} requests are still running`;
  const reason = worker.healthReason === '' ? 'no answer yet' : worker.healthReason;
  if (worker.health !== 'failed') return reason;
  return `not ready within ${formatDuration(worker.spec().startup.timeoutMs)}: ${reason}; it is tried on`;
}
