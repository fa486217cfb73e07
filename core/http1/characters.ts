/** Codes of the characters that the grammar of RFC 9112 gives a meaning. */
export const HTAB = 9;
export const LF = 10;
export const CR = 13;
export const SP = 32;
export const DQUOTE = 34;
export const COLON = 58;
export const SEMICOLON = 59;
export const EQUALS = 61;
export const BACKSLASH = 92;

const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[c.charCodeAt(0)] = 1;

/** True for `tchar` (RFC 9110 §5.6.2), the characters of methods and field names. */
export function isTokenCode(code: number): boolean {
  return TOKEN[code] === 1;
}

/** True for a non-empty token. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** True for what may stand in a field value: HTAB, SP, VCHAR, obs-text. Refuses CR, LF, NUL and all above 0xff. */
export function isFieldCode(code: number): boolean {
  return code >= SP ? code !== 127 && code <= 255 : code === HTAB;
}

/** True when every character of `text` between `start` and `end` may stand in a field value. */
export function isFieldText(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isFieldCode(text.charCodeAt(i))) return false;
  return true;
}

/** Value of a hexadecimal digit, -1 for anything else. */
export function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
