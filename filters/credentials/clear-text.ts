import { isPrivateHost, type Worker } from '../../core/api/index.js';

/** Whether a worker is reached without TLS over a network that is not one's own: no key may travel there. */
export class ClearTextWorkers {
  readonly #known = new WeakMap<Worker, boolean>();

  has(worker: Worker): boolean {
    let exposed = this.#known.get(worker);
    if (exposed === undefined) {
      exposed = worker.url.startsWith('http:') && !isPrivateHost(new URL(worker.url).hostname);
      this.#known.set(worker, exposed);
    }
    return exposed;
  }
}
