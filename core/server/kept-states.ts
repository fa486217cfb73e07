import type { Lifetime } from '../api/define.js';
import type { KeptState } from '../api/kept-state.js';

interface KeptEntry {
  readonly value: unknown;
  /** Generations that have it, those under construction included. */
  users: number;
}

/** What the filter and backend instances of all generations of a process keep, by type and name. */
export class KeptStates {
  readonly #entries = new Map<string, KeptEntry>();

  /** Number of values that are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** The view of one instance in one generation. What has to run when the generation comes into use is added to `activations`. */
  forInstance(type: string, name: string, lifetime: Lifetime, activations: (() => void)[]): KeptState {
    const key = `${type} ${name}`;
    return {
      keep: <T>(create: () => T, activate: (value: T) => void): T => {
        const entry = this.#entries.get(key) ?? { value: create(), users: 0 };
        this.#entries.set(key, entry);
        entry.users++;
        lifetime.onDispose(() => {
          if (--entry.users === 0) this.#entries.delete(key);
        });
        const value = entry.value as T;
        activations.push(() => activate(value));
        return value;
      },
    };
  }
}
