import type { Attempt, Worker } from '../../core/api/index.js';

/**
 * The lists that policies choose from. A list keeps its identity while its content stays the same, so that policies may
 * key their state by it, and so that the usual request allocates none.
 */
export class CandidateLists {
  readonly #available = new WeakMap<readonly Worker[], readonly Worker[]>();

  /** Members of `serving` that may be chosen now; `serving` itself when all may. */
  available(serving: readonly Worker[]): readonly Worker[] {
    for (const worker of serving) if (!worker.available) return this.#subsetOf(serving);
    return serving;
  }

  #subsetOf(serving: readonly Worker[]): readonly Worker[] {
    const known = this.#available.get(serving);
    if (known !== undefined && holdsAvailable(known, serving)) return known;
    const subset = serving.filter((worker) => worker.available);
    this.#available.set(serving, subset);
    return subset;
  }
}

/** Whether `subset` is what a filter of `serving` would give. */
function holdsAvailable(subset: readonly Worker[], serving: readonly Worker[]): boolean {
  let count = 0;
  for (const worker of serving) {
    if (!worker.available) continue;
    if (subset[count] !== worker) return false;
    count += 1;
  }
  return count === subset.length;
}

/** Leaves out the workers on which this request has failed, unless none would be left. */
export function preferUntried(candidates: readonly Worker[], attempts: readonly Attempt[]): readonly Worker[] {
  if (!attempts.some(hasFailed)) return candidates;
  const untried = candidates.filter((worker) => !attempts.some((it) => it.worker === worker && hasFailed(it)));
  return untried.length === 0 ? candidates : untried;
}

/** Whether an attempt speaks against its worker: it broke, or was answered with an error. */
function hasFailed(attempt: Attempt): boolean {
  return attempt.error !== undefined || attempt.status >= 400;
}
