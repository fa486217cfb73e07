import type { KeptState } from '../api/kept-state.js';
import type { ShutdownSignal } from '../api/shutdown.js';

/** Keeps one value over the `create` calls of a test, each of which comes into use at once. */
export function createTestKeptState(): KeptState {
  const kept: { value?: unknown } = {};
  return {
    keep: <T>(create: () => T, activate: (value: T) => void): T => {
      if (!('value' in kept)) kept.value = create();
      activate(kept.value as T);
      return kept.value as T;
    },
  };
}

/** A process that ends when the test says so. */
export class TestShutdownSignal implements ShutdownSignal {
  readonly listeners = new Set<(cutMs: number) => void>();

  onDrain(listener: (cutMs: number) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  begin(cutMs: number): void {
    for (const listener of this.listeners) listener(cutMs);
  }
}
