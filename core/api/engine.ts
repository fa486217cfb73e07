import type { Lifetime } from './define.js';

/** An engine that runs beside the gateway. */
export interface RunningEngine {
  /** Base URL of a real socket on loopback. */
  readonly url: string;
  /** Resolves once it serves; rejects when it cannot. */
  readonly ready: Promise<void>;
  /** Facts for the worker record. */
  readonly models: readonly string[];
}

/** Starts engines of one kind. Each is stopped by `lifetime`. */
export interface Engine {
  start(lifetime: Lifetime): Promise<RunningEngine>;
}
