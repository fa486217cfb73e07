import { providerRoot, type Worker } from '../../../core/api/index.js';

/** Where a worker is, cut up once. */
export interface WorkerAddress {
  /** Scheme, host, port. */
  readonly origin: string;
  /**
   * Path of its base URL, mostly empty; without the version that vendors print at the end, so that
   * `https://api.openai.com/v1` and `https://api.openai.com` are the same place.
   */
  readonly basePath: string;
}

/** Addresses by worker, forgotten with it. */
export class WorkerAddresses {
  readonly #byWorker = new WeakMap<Worker, WorkerAddress>();

  of(worker: Worker): WorkerAddress {
    let address = this.#byWorker.get(worker);
    if (address === undefined) {
      const url = new URL(providerRoot(worker.provider, worker.url.replace(/\/+$/, '')));
      address = { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') };
      this.#byWorker.set(worker, address);
    }
    return address;
  }
}
