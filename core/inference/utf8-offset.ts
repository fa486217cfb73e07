/**
 * Offset of the first byte that does not belong to valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF); -1 when all of it is valid. For error messages: `buffer.isUtf8` is the fast yes or no.
 */
export function firstInvalidUtf8(bytes: Uint8Array): number {
  const end = bytes.length;
  let at = 0;
  while (at < end) {
    const lead = bytes[at] as number;
    const length = sequenceLength(lead);
    if (length === 0 || at + length > end) return at;
    for (let i = 1; i < length; i++) {
      const next = bytes[at + i] as number;
      const lowest = i === 1 ? lowestSecond(lead) : 0x80;
      const highest = i === 1 ? highestSecond(lead) : 0xbf;
      if (next < lowest || next > highest) return at;
    }
    at += length;
  }
  return -1;
}

function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

function lowestSecond(lead: number): number {
  if (lead === 0xe0) return 0xa0;
  return lead === 0xf0 ? 0x90 : 0x80;
}

function highestSecond(lead: number): number {
  if (lead === 0xed) return 0x9f;
  return lead === 0xf4 ? 0x8f : 0xbf;
}
