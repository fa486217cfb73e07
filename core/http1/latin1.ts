declare global {
  // Methods of every Buffer since Node 0.12, undocumented but what `toString('latin1')` and `write(…, 'latin1')` call
  // after checking their arguments; the checks cost as much as the copy of a small head.
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

/** Bytes of `text`, one per character. The caller has made sure that no character is above 0xff. */
export function latin1Bytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length);
  bytes.latin1Write(text, 0, text.length);
  return bytes;
}
