import type { Worker } from '../../core/api/index.js';

/**
 * Shares of a list of candidates, added up from the front: the last one is their sum. Undefined when all are equal, so
 * that the usual fleet pays nothing for them. A worker of share 0 gets traffic only where all have 0.
 */
export function cumulativeShares(candidates: readonly Worker[]): readonly number[] | undefined {
  const first = candidates[0] as Worker;
  if (candidates.every((worker) => worker.share === first.share)) return undefined;
  let sum = 0;
  return candidates.map((worker) => {
    sum += worker.share;
    return sum;
  });
}
