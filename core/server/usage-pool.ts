interface Pooled<T> {
  value: Promise<T>;
  users: number;
  readonly dispose: (value: T) => Promise<void>;
}

/**
 * Things that outlive one config generation while another one names them too: counted by key, made on first use, disposed
 * with the last user.
 */
export class UsagePool<T> {
  readonly #entries = new Map<string, Pooled<T>>();

  /** The value of this key. A failed creation is forgotten, so that the next reload tries again. */
  async acquire(key: string, create: () => Promise<T>, dispose: (value: T) => Promise<void>): Promise<T> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { value: create(), users: 0, dispose };
      this.#entries.set(key, entry);
    }
    entry.users++;
    try {
      return await entry.value;
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  /** Gives up one use. */
  async release(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined || --entry.users > 0) return;
    this.#entries.delete(key);
    await entry.dispose(await entry.value);
  }
}
