import type { ValueOf } from '../api/scalars.js';
import { isToken } from './characters.js';
import { Http1ProtocolError } from './protocol-error.js';

/** What the codec itself does with a field. `Skipped` fields concern one connection and are never written by us. */
export const FieldRole = {
  Plain: 0,
  ContentLength: 1,
  TransferEncoding: 2,
  Connection: 3,
  Host: 4,
  Expect: 5,
  Upgrade: 6,
  Date: 7,
  Skipped: 8,
} as const;
export type FieldRole = ValueOf<typeof FieldRole>;

/** A valid field name: one instance, and one string, per lower-case name. */
export class FieldName {
  readonly name: string;
  readonly role: FieldRole;

  constructor(name: string, role: FieldRole) {
    this.name = name;
    this.role = role;
  }
}

/** Most spellings that are remembered. Whoever fills it with junk makes new names slower, nothing else. */
const MAX_CACHED_NAMES = 1024;
const MAX_CACHED_NAME_BYTES = 64;

const roles = new Map<string, FieldRole>([
  ['content-length', FieldRole.ContentLength],
  ['transfer-encoding', FieldRole.TransferEncoding],
  ['connection', FieldRole.Connection],
  ['host', FieldRole.Host],
  ['expect', FieldRole.Expect],
  ['upgrade', FieldRole.Upgrade],
  ['date', FieldRole.Date],
  ['keep-alive', FieldRole.Skipped],
  ['proxy-connection', FieldRole.Skipped],
  ['te', FieldRole.Skipped],
  ['http2-settings', FieldRole.Skipped],
]);

/** Field names by the spelling on the wire. */
const cache = new Map<string, FieldName>();

const COMMON_NAMES =
  `Accept Accept-Encoding Accept-Language Anthropic-Beta Anthropic-Version Authorization Cache-Control
Connection Content-Encoding Content-Length Content-Type Cookie Date ETag Expect Host Keep-Alive Last-Modified Location
OpenAI-Organization OpenAI-Project Origin Referer Retry-After Server Set-Cookie TE Traceparent Tracestate Trailer
Transfer-Encoding Upgrade User-Agent Vary Via X-API-Key X-Correlation-Id X-Forwarded-For X-Forwarded-Host
X-Forwarded-Proto X-Request-Id X-Stainless-Arch X-Stainless-Lang X-Stainless-OS X-Stainless-Package-Version
X-Stainless-Retry-Count X-Stainless-Runtime X-Stainless-Runtime-Version X-Stainless-Timeout`.split(/\s+/);
for (const name of [...roles.keys(), ...COMMON_NAMES]) {
  const lower = lookUpFieldName(name.toLowerCase());
  cache.set(name, lower);
}

/**
 * The field name that is spelled so, any case. Throws {@link Http1ProtocolError} `bad_field_name` for what is no token.
 * A known spelling costs one hash look-up: no check, no lower-casing, no new string.
 */
export function lookUpFieldName(spelling: string): FieldName {
  return cache.get(spelling) ?? addFieldName(spelling);
}

function addFieldName(spelling: string): FieldName {
  if (!isToken(spelling)) throw new Http1ProtocolError('bad_field_name');
  const lower = spelling.toLowerCase();
  const known = cache.get(lower) ?? new FieldName(copyOf(lower), roles.get(lower) ?? FieldRole.Plain);
  if (cache.size + 2 > MAX_CACHED_NAMES || lower.length > MAX_CACHED_NAME_BYTES) return known;
  cache.set(known.name, known);
  if (spelling !== lower) cache.set(copyOf(spelling), known);
  return known;
}

/**
 * A copy, since a substring would keep the whole head that it was cut from alive; and as a property key, of which the
 * engine has one instance per text: such strings, literals among them, are compared by address.
 */
function copyOf(text: string): string {
  return Object.keys({ [Buffer.from(text, 'latin1').latin1Slice()]: 0 })[0] as string;
}
