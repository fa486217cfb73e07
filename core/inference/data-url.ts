import { type ErrorCode, GatewayError } from '../api/errors.js';

/** Content of a `data:` URL: a media type in lower case without parameters, and base64 without white space, padded. */
export interface DataUrlContent {
  readonly mediaType: string;
  readonly data: string;
}

/** What people write for types that have another registered name. */
const ALIASES: Readonly<Record<string, string>> = { 'image/jpg': 'image/jpeg', 'application/x-pdf': 'application/pdf' };

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const WHITE_SPACE = /\s+/g;

/** First bytes of the formats that models take; WEBP's name stands behind the length of its RIFF chunk. */
const MAGIC: readonly (readonly [mediaType: string, offset: number, bytes: string])[] = [
  ['image/jpeg', 0, '\xff\xd8\xff'],
  ['image/png', 0, '\x89PNG\r\n\x1a\n'],
  ['image/gif', 0, 'GIF8'],
  ['image/webp', 8, 'WEBP'],
  ['application/pdf', 0, '%PDF-'],
];

/** Characters of base64 that hold every magic number: 16 for the 12 bytes of WEBP's. */
const SNIFFED_CHARS = 16;

export function isDataUrl(url: string): boolean {
  return url.length >= 5 && url.slice(0, 5).toLowerCase() === 'data:';
}

/** Media type by the first bytes (JPEG, PNG, GIF, WEBP, PDF); undefined where they say nothing. `data` is base64. */
export function sniffMediaType(data: string): string | undefined {
  const head = Buffer.from(data.slice(0, SNIFFED_CHARS), 'base64').toString('latin1');
  return MAGIC.find(([, offset, bytes]) => head.startsWith(bytes, offset))?.[0];
}

/** Lower case, without parameters, under its registered name. */
export function normalizeMediaType(text: string): string {
  const end = text.indexOf(';');
  const type = (end === -1 ? text : text.slice(0, end)).trim().toLowerCase();
  return ALIASES[type] ?? type;
}

/** Base64 without white space, padded; undefined when it is no base64. */
export function normalizeBase64(text: string): string | undefined {
  const data = /\s/.test(text) ? text.replace(WHITE_SPACE, '') : text;
  if (!BASE64.test(data)) return undefined;
  const missing = data.length % 4;
  if (missing === 0) return data;
  return missing === 1 || data.endsWith('=') ? undefined : data.padEnd(data.length + 4 - missing, '=');
}

/**
 * Reads `data:<type>[;param]*[;base64],<payload>` (RFC 2397). What the first bytes say wins over the type that is written;
 * a payload that is not base64 is percent-decoded. Throws GatewayError `code` that names `param`: no comma, broken
 * base64, or neither a type nor bytes that tell one.
 */
export function parseDataUrl(url: string, param: string, code: ErrorCode = 'invalid_image_url'): DataUrlContent {
  const comma = url.indexOf(',');
  if (!isDataUrl(url) || comma === -1) throw broken(code, param, "a data URL is 'data:<type>;base64,<data>'");
  const [written = '', ...params] = url.slice('data:'.length, comma).split(';');
  const isBase64 = params.some((text) => text.trim().toLowerCase() === 'base64');
  const payload = url.slice(comma + 1);
  const data = isBase64 ? normalizeBase64(payload) : percentDecoded(payload).toString('base64');
  if (data === undefined) throw broken(code, param, 'its data is not valid base64');
  const mediaType = sniffMediaType(data) ?? normalizeMediaType(written);
  if (mediaType === '' || mediaType === 'application/octet-stream') {
    throw broken(code, param, 'the data URL does not say what type its data has');
  }
  return { mediaType, data };
}

function percentDecoded(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  const decoded = bytes.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(decoded, 'latin1');
}

function broken(code: ErrorCode, param: string, why: string): GatewayError {
  return new GatewayError(code, `Invalid value for '${param}': ${why}`, { param });
}
