import type { Logger, StreamInfo } from '../../core/api/index.js';
import type { KeyHolder } from './key-ring.js';

/** Longest value of a record, characters. */
const MAX_VALUE_LENGTH = 1024;

/**
 * The audit log of the control plane: one record per call, when it has ended. `outcome` says whether the caller was let
 * in, `status` what became of the call (0: the client left before an answer).
 */
export class AuditLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** `holder`: whose key it was; undefined when it had none of ours. */
  write(info: StreamInfo, outcome: 'success' | 'denied', holder: KeyHolder | undefined): void {
    const record = {
      target: 'smg::audit',
      ...whoIs(holder),
      method: clean(info.method),
      path: clean(info.path.split('?', 1)[0] as string),
      resource: clean(info.endpoint),
      outcome,
      status: info.status,
      request_id: clean(info.requestId),
      client: clean(info.remoteAddress),
      listener: info.listener,
      details: clean(info.responseDetails),
    };
    if (outcome === 'denied') this.#log.warn(record, 'control_plane_audit');
    else this.#log.info(record, 'control_plane_audit');
  }
}

function whoIs(holder: KeyHolder | undefined): { principal: string; auth_method: string; role: string } {
  if (holder === undefined) return { principal: 'anonymous', auth_method: 'none', role: 'none' };
  const { administrator } = holder;
  if (administrator !== undefined) {
    const { id, name, role } = administrator;
    return { principal: clean(name), auth_method: `api_key:${clean(id)}`, role };
  }
  return { principal: clean(holder.tenant ?? ''), auth_method: 'shared_key', role: 'admin' };
}

/** Without control characters, which could forge lines in a viewer, and bounded. */
export function clean(text: string): string {
  return text.replace(/\p{Cc}|\p{Zl}|\p{Zp}/gu, '').slice(0, MAX_VALUE_LENGTH);
}
