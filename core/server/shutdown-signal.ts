import type { ShutdownSignal } from '../api/shutdown.js';

/** The one signal of a process. */
export class ProcessShutdownSignal implements ShutdownSignal {
  readonly #listeners = new Set<(cutMs: number) => void>();
  #cutMs: number | undefined = undefined;

  onDrain(listener: (cutMs: number) => void): () => void {
    if (this.#cutMs !== undefined) {
      listener(this.#cutMs);
      return () => {};
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The orderly end begins. Only the first call counts. */
  begin(cutMs: number): void {
    if (this.#cutMs !== undefined) return;
    this.#cutMs = cutMs;
    for (const listener of this.#listeners) listener(cutMs);
    this.#listeners.clear();
  }
}
