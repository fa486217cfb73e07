import { createToken, type InjectionToken } from './injection.js';

/** Tells those who let requests wait that the process is about to end. */
export interface ShutdownSignal {
  /**
   * `listener` runs once, when the orderly end begins (at once if it has begun): `cutMs` is the monotonic time at which
   * everything still open is cut. Returns what takes the listener back.
   */
  onDrain(listener: (cutMs: number) => void): () => void;
}

export const ShutdownSignal: InjectionToken<ShutdownSignal> = createToken('ShutdownSignal');
