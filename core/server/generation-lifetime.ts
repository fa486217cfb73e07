import type { Lifetime } from '../api/define.js';

/** What one generation has to give back, newest first. Each disposer runs once; one that fails does not stop the rest. */
export class GenerationLifetime implements Lifetime {
  readonly #disposers: (() => void | Promise<void>)[] = [];
  #disposed = false;

  onDispose(dispose: () => void | Promise<void>): void {
    this.#disposers.push(dispose);
  }

  /** Rejects with the first failure, after all disposers have run. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    let failure: unknown;
    for (let dispose = this.#disposers.pop(); dispose !== undefined; dispose = this.#disposers.pop()) {
      try {
        await dispose();
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }
}
