import { BugError } from '../api/errors.js';
import { HTAB, isFieldText, isToken, SP } from './characters.js';
import { type FieldName, FieldRole, lookUpFieldName } from './field-name.js';
import { KeptHead } from './kept-head.js';
import { Http1ProtocolError } from './protocol-error.js';
import { absoluteAuthority, absolutePath, checkTarget, isAuthority, TargetForm } from './request-target.js';

/** Bounds of one header section. */
export interface HeadLimits {
  /** Start line, fields and line ends together. */
  readonly maxHeadBytes: number;
  /** Start line alone. */
  readonly maxStartLineBytes: number;
  readonly maxFields: number;
}

/** 64 KiB, of which 16 KiB for the start line; 100 fields. */
export const DEFAULT_HEAD_LIMITS: HeadLimits = {
  maxHeadBytes: 64 * 1024,
  maxStartLineBytes: 16 * 1024,
  maxFields: 100,
};

/** What a {@link HeadParser} reads: a message head, or the trailer section after the last chunk. */
export type HeadKind = 'request' | 'response' | 'trailers';

const HEAD_END = Buffer.from('\r\n\r\n');
/** A character that can stand nowhere in a head, line ends aside. One look at the whole head spares one per value. */
const UNCLEAN = /[^\t\r\n\x20-\x7e\x80-\xff]/;
const METHODS = new Set(['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']);
const MAX_LENGTH_DIGITS = 15;

/** The methods that we take; any other is answered 501. CONNECT would make a tunnel of us. */
export function isSupportedMethod(method: string): boolean {
  return METHODS.has(method);
}

/**
 * Strict incremental parser of heads (RFC 9112): feed it bytes in any cut until `complete`, read the fields, `reset()`,
 * go on. The result, and the error, do not depend on the cut. Holds no socket and no timer; one instance serves a
 * connection. Everything that two parsers might read differently is refused by throwing {@link Http1ProtocolError};
 * after that the instance is of no use.
 */
export class HeadParser {
  /** True once the empty line was read; the fields below are final. */
  complete = false;
  /** True once a byte of this head was seen. */
  started = false;
  /** Requests. */
  method = '';
  /** Requests: the target as sent. */
  target = '';
  /** Requests: path and query of the target, or `*`. */
  path = '';
  /** Requests: authority of an absolute-form target, else `Host`; empty for HTTP/1.0 without one. */
  authority = '';
  /** Responses. */
  status = 0;
  /** Responses: the text after the status, may be empty. */
  reason = '';
  /** 0 or 1: the major version is always 1. */
  minorVersion = 1;
  /** Lower-case names and values in wire order, for a HeaderMap; without `host` for requests. New for each head. */
  flat: string[] = [];
  /** -1 when there is no Content-Length. */
  contentLength = -1;
  chunked = false;
  /** Whether the sender allows another message on the connection after this one. */
  keepAlive = true;
  /** Requests: `Expect: 100-continue` was sent with HTTP/1.1. */
  expectContinue = false;
  /** An `Upgrade` field is there. We never switch protocols; RFC 9110 §7.8 lets us answer as if it were absent. */
  upgrade = false;

  readonly #kind: HeadKind;
  readonly #limits: HeadLimits;
  /** Of the heads before: most lines of a connection repeat. */
  readonly #kept = new KeptHead();
  #carry = '';
  #bytes = 0;
  #fields = 0;
  #startLineDone: boolean;
  #host: string | undefined = undefined;
  #connectionClose = false;
  #connectionKeepAlive = false;
  #leadingLineSeen = false;

  constructor(kind: HeadKind, limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.#kind = kind;
    this.#limits = limits;
    this.#startLineDone = kind === 'trailers';
  }

  /** Forgets the head; `flat` is left to whoever took it. */
  reset(): void {
    this.complete = false;
    this.started = false;
    this.method = '';
    this.target = '';
    this.path = '';
    this.authority = '';
    this.status = 0;
    this.reason = '';
    this.minorVersion = 1;
    this.flat = [];
    this.contentLength = -1;
    this.chunked = false;
    this.keepAlive = true;
    this.expectContinue = false;
    this.upgrade = false;
    this.#carry = '';
    this.#bytes = 0;
    this.#fields = 0;
    this.#startLineDone = this.#kind === 'trailers';
    this.#host = undefined;
    this.#connectionClose = false;
    this.#connectionKeepAlive = false;
    this.#leadingLineSeen = false;
  }

  /** Reads from `start`; returns how many bytes belong to the head, which is all of them while it is not complete. */
  parse(chunk: Buffer, start = 0): number {
    if (this.complete) throw new BugError('HeadParser.parse() after a complete head');
    if (start >= chunk.length) return 0;
    this.started = true;
    const carried = this.#carry.length;
    const found = chunk.indexOf(HEAD_END, start);
    // One byte past the limit is enough to notice.
    const most = start + this.#limits.maxHeadBytes - this.#bytes - carried + 1;
    const to = Math.min(found < 0 ? chunk.length : found + HEAD_END.length, most);
    let text = chunk.latin1Slice(start, to);
    if (carried > 0) {
      text = this.#carry + text;
      // Left unflattened while the line goes on: a drip of bytes costs no more than its length.
      if (chunk.indexOf(10, start) < 0) return this.#keep(text, to - start);
      this.#carry = '';
    }
    const position = this.#parseLines(text);
    return this.complete ? position - carried : this.#keep(text.slice(position), to - start);
  }

  #keep(rest: string, consumed: number): number {
    this.#carry = rest;
    if (rest.length > 0) this.#checkLimits(rest.length);
    return consumed;
  }

  #checkLimits(lineBytes: number): void {
    if (!this.#startLineDone && lineBytes > this.#limits.maxStartLineBytes) {
      throw new Http1ProtocolError(this.#kind === 'request' ? 'target_too_long' : 'head_too_large');
    }
    if (this.#bytes + lineBytes > this.#limits.maxHeadBytes) throw new Http1ProtocolError('head_too_large');
  }

  /** Parses whole lines; returns where the rest begins. */
  #parseLines(text: string): number {
    // Where lines repeat, the few new ones are looked at one by one.
    const clean = this.#kept.startLine === undefined && !UNCLEAN.test(text);
    let position = 0;
    while (!this.complete) {
      const repeated = this.#parseRepeatedLine(text, position);
      if (repeated > 0) {
        position += repeated;
        continue;
      }
      const lf = text.indexOf('\n', position);
      if (lf < 0) break;
      this.#count(lf + 1 - position);
      const end = lf - 1;
      const cr = text.indexOf('\r', position);
      if (cr !== end || cr < position) throw new Http1ProtocolError(cr < 0 || cr > lf ? 'bare_lf' : 'bare_cr');
      if (!this.#startLineDone) this.#parseStartLine(text, position, end);
      else if (end === position) this.#finish();
      else this.#parseField(text, position, end, clean);
      position = lf + 1;
    }
    return position;
  }

  /** Takes a line that stood in the same place of a head before: its length, or 0 when it is another one. */
  #parseRepeatedLine(text: string, position: number): number {
    if (!this.#startLineDone) {
      const line = this.#kept.startLine;
      if (line === undefined || !standsAt(text, position, line.text)) return 0;
      this.#count(line.text.length);
      this.method = line.method;
      this.target = line.target;
      this.path = line.path;
      this.authority = line.authority;
      this.status = line.status;
      this.reason = line.reason;
      this.minorVersion = line.minorVersion;
      this.#startLineDone = true;
      return line.text.length;
    }
    const line = this.#kept.fieldLines[this.#fields];
    if (line === undefined || !standsAt(text, position, line.text)) return 0;
    this.#count(line.text.length);
    this.#fields++;
    this.#addField(line.field, line.value);
    return line.text.length;
  }

  #count(lineBytes: number): void {
    this.#checkLimits(lineBytes);
    this.#bytes += lineBytes;
  }

  #parseStartLine(text: string, start: number, end: number): void {
    if (end === start) {
      // RFC 9112 §2.2: one empty line before a request may come from an old client's POST.
      if (this.#kind !== 'request' || this.#leadingLineSeen) throw new Http1ProtocolError('bad_start_line');
      this.#leadingLineSeen = true;
      return;
    }
    if (this.#kind === 'request') this.#parseRequestLine(text, start, end);
    else this.#parseStatusLine(text, start, end);
    this.#startLineDone = true;
    this.#kept.keepStartLine(text.slice(start, end + 2), this);
  }

  #parseRequestLine(text: string, start: number, end: number): void {
    const methodEnd = text.indexOf(' ', start);
    const targetEnd = text.lastIndexOf(' ', end - 1);
    if (methodEnd < 0 || methodEnd >= targetEnd || targetEnd < start) throw new Http1ProtocolError('bad_start_line');
    const method = text.slice(start, methodEnd);
    if (!METHODS.has(method)) throw new Http1ProtocolError(isToken(method) ? 'unknown_method' : 'bad_start_line');
    const target = text.slice(methodEnd + 1, targetEnd);
    if (target.includes(' ')) throw new Http1ProtocolError('bad_start_line');
    this.minorVersion = minorVersion(text, targetEnd + 1, end);
    const form = checkTarget(method, target);
    this.method = method;
    this.target = target;
    if (form === TargetForm.Absolute) {
      this.authority = absoluteAuthority(target);
      this.path = absolutePath(method, target);
    } else {
      this.path = target;
    }
  }

  #parseStatusLine(text: string, start: number, end: number): void {
    const versionEnd = text.indexOf(' ', start);
    if (versionEnd < 0 || versionEnd > end) throw new Http1ProtocolError('bad_start_line');
    this.minorVersion = minorVersion(text, start, versionEnd);
    const statusEnd = versionEnd + 4;
    // The space before an empty reason is often left out; nothing can be misread by that.
    const wellFormed = statusEnd === end || (statusEnd < end && text.charCodeAt(statusEnd) === SP);
    const status = wellFormed ? decimal(text, versionEnd + 1, statusEnd) : -1;
    if (status < 100 || status > 599) throw new Http1ProtocolError('bad_start_line');
    if (!isFieldText(text, statusEnd, end)) throw new Http1ProtocolError('bad_start_line');
    this.status = status;
    this.reason = text.slice(statusEnd + 1, end);
  }

  #parseField(text: string, start: number, end: number, clean: boolean): void {
    const first = text.charCodeAt(start);
    if (first === SP || first === HTAB) throw new Http1ProtocolError('folded_field');
    if (++this.#fields > this.#limits.maxFields) throw new Http1ProtocolError('too_many_fields');
    const colon = text.indexOf(':', start);
    if (colon < 0 || colon >= end) throw new Http1ProtocolError('bad_field_line');
    const field = lookUpFieldName(text.slice(start, colon));
    if (!clean && !isFieldText(text, colon, end)) throw new Http1ProtocolError('bad_field_value');
    const value = withoutBlanks(text, colon + 1, end);
    if (field.role !== FieldRole.Plain) {
      // Parsers disagree about a tab around a length (node refuses it): not worth finding out who else does what.
      if (value.length !== end - colon - 1 && isFraming(field.role) && text.slice(colon, end).includes('\t')) {
        throw new Http1ProtocolError('bad_field_value');
      }
    }
    this.#kept.keepField(this.#fields - 1, text.slice(start, end + 2), field, value);
    this.#addField(field, value);
  }

  #addField(field: FieldName, value: string): void {
    if (field.role === FieldRole.Plain || this.#applyRole(field.role, value)) this.flat.push(field.name, value);
  }

  /** Takes note of a field that concerns the codec; false when it is not to be listed. */
  #applyRole(role: FieldRole, value: string): boolean {
    if (this.#kind === 'trailers') {
      if (role !== FieldRole.Date) throw new Http1ProtocolError('bad_trailer');
      return true;
    }
    switch (role) {
      case FieldRole.ContentLength:
        if (this.contentLength >= 0) throw new Http1ProtocolError('repeated_content_length');
        if (value.length > MAX_LENGTH_DIGITS) throw new Http1ProtocolError('bad_content_length');
        this.contentLength = decimal(value, 0, value.length);
        if (this.contentLength < 0) throw new Http1ProtocolError('bad_content_length');
        return true;
      case FieldRole.TransferEncoding:
        // A second field would make a list of it; only the one word is accepted.
        if (this.chunked) throw new Http1ProtocolError('bad_transfer_encoding');
        if (value.toLowerCase() !== 'chunked') throw new Http1ProtocolError('unknown_transfer_encoding');
        this.chunked = true;
        return true;
      case FieldRole.Connection:
        this.#applyConnection(value);
        return true;
      case FieldRole.Host:
        return this.#kind !== 'request' || this.#applyHost(value);
      case FieldRole.Expect:
        if (this.#kind === 'request' && this.minorVersion === 1) this.#applyExpect(value);
        return true;
      case FieldRole.Upgrade:
        this.upgrade = true;
        return true;
      default:
        return true;
    }
  }

  #applyHost(value: string): false {
    if (this.#host !== undefined || !isAuthority(value)) throw new Http1ProtocolError('bad_host');
    this.#host = value;
    return false;
  }

  #applyExpect(value: string): void {
    if (value.toLowerCase() !== '100-continue') throw new Http1ProtocolError('expectation_failed');
    this.expectContinue = true;
  }

  #applyConnection(value: string): void {
    for (const option of value.toLowerCase().split(',')) {
      const name = withoutBlanks(option, 0, option.length);
      if (name === 'close') this.#connectionClose = true;
      else if (name === 'keep-alive') this.#connectionKeepAlive = true;
    }
  }

  #finish(): void {
    this.complete = true;
    if (this.#kind === 'trailers') return;
    if (this.chunked) {
      if (this.contentLength >= 0) throw new Http1ProtocolError('length_and_encoding');
      // HTTP/1.0 knows no chunks: an intermediary of that age would have passed the field on unread.
      if (this.minorVersion === 0) throw new Http1ProtocolError('bad_transfer_encoding');
    }
    this.keepAlive = !this.#connectionClose && (this.minorVersion === 1 || this.#connectionKeepAlive);
    if (this.#kind === 'request') this.#finishRequest();
    else this.#finishResponse();
  }

  #finishResponse(): void {
    if (!this.chunked && this.contentLength <= 0) return;
    // Neither may carry one (RFC 9110 §8.6); who sends it anyway may also send the body that nobody would expect.
    if (this.status < 200) throw new Http1ProtocolError('body_not_allowed');
    if (this.status === 204) this.keepAlive = false;
  }

  #finishRequest(): void {
    const host = this.#host;
    if (host === undefined) {
      if (this.minorVersion === 1) throw new Http1ProtocolError('bad_host');
    } else if (this.authority === '') {
      this.authority = host;
    } else if (this.authority.toLowerCase() !== host.toLowerCase()) {
      throw new Http1ProtocolError('bad_host');
    }
  }
}

/** How the end of a body is found. */
export const BodyFraming = { None: 0, Length: 1, Chunked: 2, UntilEnd: 3 } as const;
export type BodyFraming = (typeof BodyFraming)[keyof typeof BodyFraming];

/** Framing of the body after a complete request head; a length of 0 is `None`. */
export function requestBodyFraming(head: HeadParser): BodyFraming {
  if (head.chunked) return BodyFraming.Chunked;
  return head.contentLength > 0 ? BodyFraming.Length : BodyFraming.None;
}

/**
 * Framing of the body after a complete response head (RFC 9112 §6.3); a length of 0 is `None`. After `UntilEnd` the
 * connection cannot be reused whatever `keepAlive` says.
 */
export function responseBodyFraming(head: HeadParser, requestMethod: string): BodyFraming {
  const status = head.status;
  if (status < 200 || status === 204 || status === 304 || requestMethod === 'HEAD') return BodyFraming.None;
  if (head.chunked) return BodyFraming.Chunked;
  if (head.contentLength >= 0) return head.contentLength > 0 ? BodyFraming.Length : BodyFraming.None;
  return BodyFraming.UntilEnd;
}

function minorVersion(text: string, start: number, end: number): number {
  if (end - start === 8 && text.startsWith('HTTP/', start) && text.charCodeAt(start + 6) === 46) {
    const major = text.charCodeAt(start + 5) - 48;
    const minor = text.charCodeAt(start + 7) - 48;
    if (major === 1 && (minor === 1 || minor === 0)) return minor;
    if (major >= 0 && major <= 9 && minor >= 0 && minor <= 9) throw new Http1ProtocolError('unsupported_version');
  }
  throw new Http1ProtocolError('bad_start_line');
}

/** Value of 1 to 15 decimal digits and nothing else; -1 otherwise. */
function decimal(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return end > start ? value : -1;
}

/** Twice as fast as `startsWith`: comparing two strings is native, and a substring costs next to nothing. */
function standsAt(text: string, position: number, line: string): boolean {
  return text.slice(position, position + line.length) === line;
}

function isFraming(role: FieldRole): boolean {
  return role === FieldRole.ContentLength || role === FieldRole.TransferEncoding;
}

/** What stands between two places, without spaces and tabs around it: `trim` also takes a no-break space, which is text. */
function withoutBlanks(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}
