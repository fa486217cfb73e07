import type { Logger } from '../api/log.js';

/** What an orderly end works on. Times in ms. */
export interface DrainPlan {
  readonly settings: {
    /** For everything, `settle` included. */
    readonly grace: number;
    /** How long requests are still taken; at most half of `grace`. */
    readonly settle: number;
  };
  readonly logger: Logger;
  /** Whether somebody is connected, or has ever asked whether the gateway is ready. */
  isWatched(): boolean;
  /** Requests whose answer has not ended. */
  openRequests(): number;
  /** Accepts nothing more; resolves when the last connection is gone. */
  stopAccepting(): Promise<void>;
}

const PROGRESS_PERIOD_MS = 10_000;

/**
 * Waits until nobody needs this gateway any more, at most the grace period. The caller has made readiness say no before;
 * for the settle time the gateway serves on as if nothing had happened, so that balancers find out without an error. Where
 * nobody could find out anything, that wait is left out. True when every request finished.
 */
export async function drainServer(plan: DrainPlan): Promise<boolean> {
  const { settings, logger } = plan;
  const settleMs = plan.isWatched() ? Math.min(settings.grace / 2, settings.settle) : 0;
  const times = { grace_ms: settings.grace, settle_ms: settleMs };
  logger.info({ ...times, open_requests: plan.openRequests() }, 'gateway ending: not ready, still accepting requests');
  if (settleMs > 0) await new Promise((resolve) => setTimeout(resolve, settleMs));

  const leftMs = settings.grace - settleMs;
  logger.info({ open_requests: plan.openRequests(), left_ms: leftMs }, 'gateway ending: accepting no more requests');
  let expiry: NodeJS.Timeout | undefined;
  const expired = new Promise<boolean>((resolve) => {
    expiry = setTimeout(() => resolve(false), leftMs);
  });
  const progress = setInterval(() => {
    logger.info({ open_requests: plan.openRequests() }, 'gateway ending: waiting for open requests');
  }, PROGRESS_PERIOD_MS);
  const finished = await Promise.race([plan.stopAccepting().then(() => true), expired]);
  clearTimeout(expiry);
  clearInterval(progress);
  if (finished) logger.info({}, 'all open requests have finished');
  else logger.warn({ ...times, remaining: plan.openRequests() }, 'open requests are cut: the grace period is over');
  return finished;
}
