/** Anything but printable ASCII, and what JSON or a quoted text value reserves. */
const NEEDS_CARE = /[^ !#-[\]-~]/;
/** What JSON.stringify leaves alone: all that is beyond printable ASCII. */
const NOT_ASCII = /[^ -~]/g;

/**
 * The inside of a JSON string literal for text that may come from a client: at most `maxLength` characters (then `...`),
 * everything but printable ASCII as an escape, so that it can neither end a log line nor steer a terminal.
 */
export function escapeJsonText(text: string, maxLength: number): string {
  const bounded = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  if (!NEEDS_CARE.test(bounded)) return bounded;
  return JSON.stringify(bounded).slice(1, -1).replace(NOT_ASCII, unicodeEscape);
}

/** A value in a `key=value` line: bare when it is one plain word, quoted and escaped otherwise. */
export function formatTextValue(text: string, maxLength: number): string {
  if (text.length <= maxLength && /^[!#-<>-[\]-~]+$/.test(text)) return text;
  return `"${escapeJsonText(text, maxLength)}"`;
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
