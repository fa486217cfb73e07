import type { Attempt, Selectable, Worker, WorkerTier } from '../../core/api/index.js';

const NONE: readonly Worker[] = [];

/**
 * The workers that a policy may choose from: those of the highest priority that has one with room which this request has
 * not failed on; where that leaves nobody, those it has failed on; where all are full, the highest priority. Only when
 * there are no others: the least loaded of the overloaded ones, or of those that have fallen silent. The usual request
 * gets a list that keeps its identity, and allocates nothing.
 */
export function candidatesOf(
  { tiers, overloaded, inDoubt }: Selectable,
  attempts: readonly Attempt[],
): readonly Worker[] {
  const failed = attempts.length > 0 ? attempts.filter(hasFailed) : attempts;
  if (tiers.length === 0) {
    if (overloaded.length > 0) return leastLoaded(untried(overloaded, failed) ?? overloaded);
    return leastLoaded(untried(inDoubt, failed) ?? inDoubt);
  }
  if (failed.length === 0) return firstWithRoom(tiers) ?? (tiers[0] as WorkerTier).workers;
  for (const tier of tiers) {
    const left = untried(withRoom(tier), failed);
    if (left !== undefined) return left;
  }
  return firstWithRoom(tiers) ?? (tiers[0] as WorkerTier).workers;
}

/** The one with the fewest requests for its share: what its engine reported, brought up to date by what was sent since. */
function leastLoaded(workers: readonly Worker[]): readonly Worker[] {
  let best = workers[0];
  if (best === undefined || workers.length === 1) return workers;
  for (const worker of workers) if (requestsOn(worker) * best.share < requestsOn(best) * worker.share) best = worker;
  return [best];
}

function requestsOn({ engineLoad, inFlight }: Worker): number {
  if (engineLoad === undefined) return inFlight;
  const reported = (engineLoad.runningRequests ?? 0) + (engineLoad.waitingRequests ?? 0);
  return Math.max(reported - engineLoad.ownInFlight, 0) + inFlight;
}

function firstWithRoom(tiers: readonly WorkerTier[]): readonly Worker[] | undefined {
  for (const tier of tiers) {
    const workers = withRoom(tier);
    if (workers.length > 0) return workers;
  }
  return undefined;
}

/** Members that are below their own limit; the tier's own list when all are. */
function withRoom({ workers, capped }: WorkerTier): readonly Worker[] {
  if (!capped || workers.every(hasRoom)) return workers;
  return workers.some(hasRoom) ? workers.filter(hasRoom) : NONE;
}

function hasRoom(worker: Worker): boolean {
  return worker.inFlight < worker.maxInFlight;
}

/** Those on which the request has not failed; undefined when there is none. */
function untried(workers: readonly Worker[], failed: readonly Attempt[]): readonly Worker[] | undefined {
  if (failed.length === 0) return workers.length > 0 ? workers : undefined;
  const left = workers.filter((worker) => !failed.some((attempt) => attempt.worker === worker));
  return left.length > 0 ? left : undefined;
}

/** Whether an attempt speaks against its worker: it broke, or was answered with an error. */
function hasFailed(attempt: Attempt): boolean {
  return attempt.error !== undefined || attempt.status >= 400;
}
