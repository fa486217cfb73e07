import type { Releasable, RequestScope } from '../api/scope.js';

/**
 * The scope of one run. Resources are few (an exchange, a load hold, a timer), so a list that is scanned from its end
 * is all the structure it needs.
 */
export class ChainScope implements RequestScope, Releasable {
  ended = false;
  #resources: Releasable[] | undefined = undefined;

  own<T extends Releasable>(resource: T): T {
    if (this.ended) resource.release();
    else if (this.#resources === undefined) this.#resources = [resource];
    else this.#resources.push(resource);
    return resource;
  }

  disown(resource: Releasable): void {
    const resources = this.#resources;
    if (resources === undefined) return;
    const index = resources.lastIndexOf(resource);
    if (index >= 0 && index === resources.length - 1) resources.pop();
    else if (index >= 0) resources.splice(index, 1);
  }

  /** Ends the scope: everything is released, newest first, exactly once. */
  release(): void {
    if (this.ended) return;
    this.ended = true;
    const resources = this.#resources;
    if (resources === undefined) return;
    this.#resources = undefined;
    for (let i = resources.length - 1; i >= 0; i--) (resources[i] as Releasable).release();
  }
}
