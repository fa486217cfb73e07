import { createHash } from 'node:crypto';
import type { WorkerIdentity } from './worker-spec.js';

/** Public id of a worker: a UUID (version 8, RFC 9562 §5.8) of what makes it that worker. Equal on every gateway. */
export function workerId(identity: WorkerIdentity): string {
  const digest = createHash('sha256').update(workerKey(identity)).digest();
  digest[6] = ((digest[6] as number) & 0x0f) | 0x80;
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
  const hex = digest.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

/** Two specs with the same key are the same worker. */
export function workerKey({ cluster, workerType, url }: WorkerIdentity): string {
  return `${cluster}\n${workerType}\n${url}`;
}
