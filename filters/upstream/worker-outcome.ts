import type { Attempt, ErrorCode, Worker } from '../../core/api/index.js';

/** Statuses that speak against the worker. 429 says that it is full, which is neither for nor against it. */
const FAILURE_STATUSES: ReadonlySet<number> = new Set([408, 500, 502, 503, 504]);
const CAPACITY_STATUS = 429;

/** Errors that are the worker's own; a passed deadline or an answer above a limit of ours is not. */
const FAILURE_CODES: ReadonlySet<ErrorCode> = new Set([
  'upstream_connect_failed',
  'upstream_reset',
  'upstream_protocol_error',
  'upstream_timeout',
]);

/** Tells the worker what its answer's status says about it. Any answer that is no failure is a success, 4xx too. */
export function recordStatus(worker: Worker, attempt: Attempt | undefined, attempts: readonly Attempt[]): void {
  const status = attempt?.status ?? 0;
  if (status === 0 || status === CAPACITY_STATUS) return;
  const ok = !FAILURE_STATUSES.has(status);
  if (ok || !failedBefore(worker, attempt, attempts)) worker.recordOutcome(ok);
}

/** Tells the worker that the exchange broke, when that is its fault. */
export function recordError(
  worker: Worker,
  code: ErrorCode,
  attempt: Attempt | undefined,
  attempts: readonly Attempt[],
): void {
  if (FAILURE_CODES.has(code) && !failedBefore(worker, attempt, attempts)) worker.recordOutcome(false);
}

/** One request counts at most one failure per worker, however often it is retried there. */
function failedBefore(worker: Worker, current: Attempt | undefined, attempts: readonly Attempt[]): boolean {
  for (const attempt of attempts) {
    if (attempt === current || attempt.worker !== worker) continue;
    if (attempt.error !== undefined || FAILURE_STATUSES.has(attempt.status)) return true;
  }
  return false;
}
