import { createToken, type InjectionToken } from './injection.js';

/**
 * What one filter or backend instance keeps while configurations come and go: permits, queues, buckets, memories. Each
 * instance, known by its type and its name (in the chain, under `providers`), gets a `KeptState` of its own and may keep one
 * value.
 */
export interface KeptState {
  /**
   * The value that this instance kept in an earlier generation that still exists, else a new one from `create`. Requests
   * of old generations go on using it; it is forgotten with the last generation that has the instance. `activate` runs
   * when the generation under construction comes into use, and never when its construction fails: only there may new
   * settings be written into the value.
   */
  keep<T>(create: () => T, activate: (value: T) => void): T;
}

export const KeptState: InjectionToken<KeptState> = createToken('KeptState');
