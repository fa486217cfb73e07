import { BugError } from '../api/errors.js';
import type { RequestHeaders } from '../api/headers.js';
import { isFieldText, isToken } from './characters.js';
import { FieldRole, lookUpFieldName } from './field-name.js';
import { latin1Bytes } from './latin1.js';

/** Framing of a written message: a body length ≥ 0, or one of these. */
export const FRAMING_CHUNKED = -1;
/** No framing field at all: a request without body, a 1xx, 204 or 304, or a body that lasts until the end. */
export const FRAMING_NONE = -2;

/** For `extraLines` of the head writers. */
export const CONNECTION_CLOSE_LINE = 'connection: close\r\n';
export const CONNECTION_KEEP_ALIVE_LINE = 'connection: keep-alive\r\n';
/** Interim answer to `Expect: 100-continue`. */
export const CONTINUE_HEAD = 'HTTP/1.1 100 Continue\r\n\r\n';

const REQUEST_LINE_TEXT = /^[\x21-\x7e]+$/;

const reasons = new Map<number, string>(
  `100 Continue|200 OK|201 Created|202 Accepted|203 Non-Authoritative Information|204 No Content|205 Reset Content|
206 Partial Content|300 Multiple Choices|301 Moved Permanently|302 Found|303 See Other|304 Not Modified|
307 Temporary Redirect|308 Permanent Redirect|400 Bad Request|401 Unauthorized|402 Payment Required|403 Forbidden|
404 Not Found|405 Method Not Allowed|406 Not Acceptable|407 Proxy Authentication Required|408 Request Timeout|
409 Conflict|410 Gone|411 Length Required|412 Precondition Failed|413 Content Too Large|414 URI Too Long|
415 Unsupported Media Type|416 Range Not Satisfiable|417 Expectation Failed|421 Misdirected Request|
422 Unprocessable Content|423 Locked|424 Failed Dependency|425 Too Early|426 Upgrade Required|
428 Precondition Required|429 Too Many Requests|431 Request Header Fields Too Large|
451 Unavailable For Legal Reasons|500 Internal Server Error|501 Not Implemented|502 Bad Gateway|
503 Service Unavailable|504 Gateway Timeout|505 HTTP Version Not Supported|507 Insufficient Storage|
508 Loop Detected|511 Network Authentication Required`
    .split('|')
    .map((entry) => entry.trim())
    .map((entry) => [Number(entry.slice(0, 3)), entry.slice(4)]),
);
/** Status lines by status, made once. */
const statusLines = new Map<number, string>();

/**
 * Head of a response as latin1 text, empty line included. Fields that belong to one connection and the framing fields
 * are left out of `fields`: `framing` and `extraLines` (whole lines with their ends) say what is so here. `dateLine` is
 * added unless `fields` has a `date`. Throws {@link BugError} for what must not be written: a status outside 100 to
 * 999, a name that is no token, a value with CR, LF, NUL, another control or a character above 0xff.
 */
export function formatResponseHead(
  status: number,
  fields: readonly string[],
  framing: number,
  extraLines: string,
  dateLine: string,
): string {
  let text = statusLines.get(status) ?? addStatusLine(status);
  let dated = dateLine === '';
  for (let i = 0; i < fields.length; i += 2) {
    const field = lookUpWritable(fields[i] as string);
    const value = fields[i + 1] as string;
    if (field.role !== FieldRole.Plain) {
      if (field.role !== FieldRole.Date && field.role !== FieldRole.Expect) continue;
      if (field.role === FieldRole.Date) dated = true;
    }
    checkValue(field.name, value);
    text += `${field.name}: ${value}\r\n`;
  }
  if (!dated) text += dateLine;
  return `${text}${framingLine(framing)}${extraLines}\r\n`;
}

/**
 * Head of a request as latin1 text, empty line included; same rules as {@link formatResponseHead}, and `host` comes
 * from `headers.authority` or, when that is empty, from `authority`.
 */
export function formatRequestHead(
  headers: RequestHeaders,
  authority: string,
  framing: number,
  extraLines: string,
): string {
  const host = headers.authority === '' ? authority : headers.authority;
  if (!isToken(headers.method) || !REQUEST_LINE_TEXT.test(headers.path) || !REQUEST_LINE_TEXT.test(host)) {
    throw new BugError('A request line with characters that must not be written');
  }
  let text = `${headers.method} ${headers.path} HTTP/1.1\r\nhost: ${host}\r\n`;
  const fields = headers.flat;
  for (let i = 0; i < fields.length; i += 2) {
    const field = lookUpWritable(fields[i] as string);
    if (field.role !== FieldRole.Plain && field.role !== FieldRole.Date) continue;
    const value = fields[i + 1] as string;
    checkValue(field.name, value);
    text += `${field.name}: ${value}\r\n`;
  }
  return `${text}${framingLine(framing)}${extraLines}\r\n`;
}

/** Head and, in the same buffer, the first (or only) bytes after it. */
export function encodeHead(text: string, body: Buffer | undefined): Buffer {
  if (body === undefined || body.length === 0) return latin1Bytes(text);
  const bytes = Buffer.allocUnsafe(text.length + body.length);
  bytes.latin1Write(text, 0, text.length);
  bytes.set(body, text.length);
  return bytes;
}

/** Fields of a trailer section as latin1 text, without its empty line. Framing and connection fields are left out. */
export function formatTrailers(fields: readonly string[]): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2) {
    const field = lookUpWritable(fields[i] as string);
    if (field.role !== FieldRole.Plain && field.role !== FieldRole.Date) continue;
    const value = fields[i + 1] as string;
    checkValue(field.name, value);
    text += `${field.name}: ${value}\r\n`;
  }
  return text;
}

function framingLine(framing: number): string {
  if (framing >= 0) return `content-length: ${framing}\r\n`;
  return framing === FRAMING_CHUNKED ? 'transfer-encoding: chunked\r\n' : '';
}

function lookUpWritable(name: string): ReturnType<typeof lookUpFieldName> {
  try {
    return lookUpFieldName(name);
  } catch {
    // The parser's error would blame the peer for what is ours.
    throw new BugError(`Header field name ${JSON.stringify(name)} must not be written`);
  }
}

/** The name only: a value may be a secret. */
function checkValue(name: string, value: string): void {
  if (!isFieldText(value, 0, value.length)) {
    throw new BugError(`Value of header field ${name} has characters that must not be written`);
  }
}

function addStatusLine(status: number): string {
  if (!Number.isInteger(status) || status < 100 || status > 999) throw new BugError(`No HTTP status: ${status}`);
  const line = `HTTP/1.1 ${status} ${reasons.get(status) ?? 'Unknown'}\r\n`;
  statusLines.set(status, line);
  return line;
}
