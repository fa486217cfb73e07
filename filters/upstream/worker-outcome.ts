import type { Attempt, ErrorCode, Worker } from '../../core/api/index.js';

/** Errors that are the worker's own; a passed deadline or an answer above a limit of ours is not. */
const FAILURE_CODES: ReadonlySet<ErrorCode> = new Set([
  'upstream_connect_failed',
  'upstream_reset',
  'upstream_protocol_error',
  'upstream_timeout',
]);

/**
 * Tells the worker what its answer's status says about it; any answer that is no failure is a good one, 4xx too. True when
 * that is to be confirmed by the end of the answer.
 */
export function recordStatus(worker: Worker, attempt: Attempt | undefined, attempts: readonly Attempt[]): boolean {
  const verdict = worker.judge(attempt?.status ?? 0);
  const startedMs = attempt?.startedMs ?? 0;
  worker.recordContact();
  if (verdict === 'success') worker.recordAnswering(startedMs);
  else if (verdict === 'failure' && !failedBefore(worker, attempt, attempts))
    worker.recordOutcome('failure', startedMs);
  return verdict === 'success';
}

/** Tells the worker that the exchange broke, when that is its fault. */
export function recordError(
  worker: Worker,
  code: ErrorCode,
  attempt: Attempt | undefined,
  attempts: readonly Attempt[],
): void {
  if (!FAILURE_CODES.has(code) || failedBefore(worker, attempt, attempts)) return;
  worker.recordOutcome('transport_failure', attempt?.startedMs ?? 0);
}

/** One request counts at most one failure per worker, however often it is retried there. */
function failedBefore(worker: Worker, current: Attempt | undefined, attempts: readonly Attempt[]): boolean {
  for (const attempt of attempts) {
    if (attempt === current || attempt.worker !== worker) continue;
    if (attempt.error !== undefined || worker.judge(attempt.status) === 'failure') return true;
  }
  return false;
}
