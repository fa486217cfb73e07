import type { EngineLoad } from '../api/worker.js';
import type { OverloadSettings } from './protection-settings.js';

/** Whether a report says that the engine has more work than it should get. What it does not report says nothing. */
export function isOverloaded(load: EngineLoad | undefined, settings: OverloadSettings | undefined): boolean {
  if (load === undefined || settings === undefined) return false;
  return reaches(load.waitingRequests, settings.waitingRequests) || reaches(load.tokenUsage, settings.kvUsage);
}

function reaches(value: number | undefined, limit: number | undefined): boolean {
  return value !== undefined && limit !== undefined && value >= limit;
}
