import { isIP } from 'node:net';
import type { Worker } from '../../core/api/index.js';

const PRIVATE_NAMES = /(?:^|\.)(?:localhost|local|internal|svc|cluster\.local|lan|home\.arpa)$/;
const PRIVATE_IPV4 =
  /^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
const PRIVATE_IPV6 = /^(?:::1$|f[cd]|fe[89ab])/;

/** Whether a worker is reached without TLS over a network that is not one's own: no key may travel there. */
export class ClearTextWorkers {
  readonly #known = new WeakMap<Worker, boolean>();

  has(worker: Worker): boolean {
    let exposed = this.#known.get(worker);
    if (exposed === undefined) {
      exposed = worker.url.startsWith('http:') && !isPrivate(new URL(worker.url).hostname);
      this.#known.set(worker, exposed);
    }
    return exposed;
  }
}

function isPrivate(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const version = isIP(host);
  if (version === 4) return PRIVATE_IPV4.test(host);
  if (version === 6) return PRIVATE_IPV6.test(host);
  return !host.includes('.') || PRIVATE_NAMES.test(host);
}
