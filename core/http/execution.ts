import type { FilterManager } from './filter-manager.js';

/**
 * Call depth of one stream, shared by its outer run and every inner one. Work that must not happen inside a filter's
 * callback (a local reply, the end of a run) waits until the outermost call has returned; inner runs settle first, so
 * that an attempt has told its outcome before the stream is logged.
 */
export class Execution {
  #depth = 0;
  #settling = false;
  readonly #pending: FilterManager[] = [];

  get idle(): boolean {
    return this.#depth === 0;
  }

  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (--this.#depth === 0 && this.#pending.length > 0 && !this.#settling) this.#settle();
  }

  /** Asks for `manager.settle()` once nothing is running. */
  defer(manager: FilterManager): void {
    if (!this.#pending.includes(manager)) this.#pending.push(manager);
    if (this.#depth === 0 && !this.#settling) this.#settle();
  }

  #settle(): void {
    this.#settling = true;
    while (this.#pending.length > 0) {
      let deepest = 0;
      for (let i = 1; i < this.#pending.length; i++) {
        if ((this.#pending[i] as FilterManager).level > (this.#pending[deepest] as FilterManager).level) deepest = i;
      }
      const manager = this.#pending[deepest] as FilterManager;
      // Nearly always the only one: no list of what was cut out.
      if (deepest === this.#pending.length - 1) this.#pending.pop();
      else this.#pending.splice(deepest, 1);
      manager.settle();
    }
    this.#settling = false;
  }
}
