import type { Worker } from '../../../core/api/index.js';
import type { WorkerAddress } from './worker-dialect.js';

/**
 * Version segments that vendors print as the end of their base URLs. A dialect writes its own, so they are not repeated:
 * `https://api.openai.com/v1` and `https://api.openai.com` are the same worker.
 */
const VERSION_SUFFIX = /\/(?:v1beta\/openai|openai\/v1|v1beta|v1)$/;

/** Addresses by worker, forgotten with it. The base path comes without the version that it may end with. */
export class WorkerAddresses {
  readonly #byWorker = new WeakMap<Worker, WorkerAddress>();

  of(worker: Worker): WorkerAddress {
    let address = this.#byWorker.get(worker);
    if (address === undefined) {
      const url = new URL(worker.url);
      address = { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '').replace(VERSION_SUFFIX, '') };
      this.#byWorker.set(worker, address);
    }
    return address;
  }
}
