let cachedSecond = -1;
let cachedPrefix = '';

/**
 * RFC 3339 in UTC with milliseconds: `2026-01-15T10:30:45.123Z`. The part up to the second is kept from call to call:
 * a date costs half a microsecond, this a tenth.
 */
export function formatTimestamp(unixMs: number): string {
  const second = Math.floor(unixMs / 1000);
  if (second !== cachedSecond) {
    cachedSecond = second;
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 20);
  }
  const ms = Math.floor(unixMs - second * 1000);
  return `${cachedPrefix}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
}
