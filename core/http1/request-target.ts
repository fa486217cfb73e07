import type { ValueOf } from '../api/scalars.js';
import { hexValue } from './characters.js';
import { Http1ProtocolError } from './protocol-error.js';

/** Form of a request target (RFC 9112 §3.2); authority-form belongs to CONNECT, which is refused. */
export const TargetForm = { Origin: 0, Absolute: 1, Asterisk: 2 } as const;
export type TargetForm = ValueOf<typeof TargetForm>;

/**
 * Path and query of RFC 3986: nothing that two parsers could read differently, no fragment. Brackets are added: vendors
 * document query names such as `include[]` and clients send them bare.
 */
const ORIGIN_FORM = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/?%[\]]*$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)(.*)$/i;
const AUTHORITY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
/** Nearly every one: no need for the big one. */
const SIMPLE_AUTHORITY = /^[A-Za-z0-9.-]+(?::[0-9]{1,5})?$/;

/** Form of `target`; throws `bad_target` when it has none or its characters are not those of a URI. */
export function checkTarget(method: string, target: string): TargetForm {
  if (target.charCodeAt(0) === 47) {
    if (!isPath(target)) throw new Http1ProtocolError('bad_target');
    return TargetForm.Origin;
  }
  if (target === '*' && method === 'OPTIONS') return TargetForm.Asterisk;
  const parts = ABSOLUTE_FORM.exec(target);
  if (parts === null || !isAuthority(parts[1] as string)) throw new Http1ProtocolError('bad_target');
  const rest = parts[2] as string;
  if (rest !== '' && !isPath(rest.charCodeAt(0) === 47 ? rest : `/${rest}`)) {
    throw new Http1ProtocolError('bad_target');
  }
  return TargetForm.Absolute;
}

/** Authority of an absolute-form target that {@link checkTarget} accepted. */
export function absoluteAuthority(target: string): string {
  return (ABSOLUTE_FORM.exec(target) as RegExpExecArray)[1] as string;
}

/** Path and query of an absolute-form target that {@link checkTarget} accepted; `*` for OPTIONS without a path. */
export function absolutePath(method: string, target: string): string {
  const rest = (ABSOLUTE_FORM.exec(target) as RegExpExecArray)[2] as string;
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.charCodeAt(0) === 47 ? rest : `/${rest}`;
}

/** True for a host with an optional port, without user information: what Host and absolute-form may hold. */
export function isAuthority(text: string): boolean {
  if (SIMPLE_AUTHORITY.test(text)) return true;
  return AUTHORITY.test(text) && hasWholeEscapes(text);
}

function isPath(text: string): boolean {
  return ORIGIN_FORM.test(text) && hasWholeEscapes(text);
}

/** True when two hexadecimal digits follow each `%`. */
function hasWholeEscapes(text: string): boolean {
  for (let at = text.indexOf('%'); at >= 0; at = text.indexOf('%', at + 1)) {
    if (hexValue(text.charCodeAt(at + 1)) < 0 || hexValue(text.charCodeAt(at + 2)) < 0) return false;
  }
  return true;
}
