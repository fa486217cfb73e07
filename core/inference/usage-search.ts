/** Name under which an answer carries its token counts: OpenAI and Anthropic `usage`, SGLang `meta_info`. */
export type UsageField = 'usage' | 'meta_info';

const NEEDLES: Record<UsageField, Buffer> = { usage: Buffer.from('"usage"'), meta_info: Buffer.from('"meta_info"') };

/**
 * Finds the counts in a piece of an answer by a byte search and parses only them: the last object of that name, or the
 * first with `forward`. A piece may begin and end anywhere. Undefined when there is no whole one. Text that a model wrote
 * cannot be taken for it, since its quotes are escaped.
 */
export function findUsageObject(bytes: Buffer, field: UsageField, forward = false): unknown {
  const needle = NEEDLES[field];
  let found = forward ? bytes.indexOf(needle) : bytes.lastIndexOf(needle);
  while (found !== -1) {
    const start = objectStart(bytes, found + needle.length);
    const end = start === -1 ? -1 : objectEnd(bytes, start);
    if (end !== -1) return parse(bytes.toString('utf8', start, end));
    if (!forward && found === 0) return undefined;
    found = forward ? bytes.indexOf(needle, found + 1) : bytes.lastIndexOf(needle, found - 1);
  }
  return undefined;
}

/** Offset of the brace behind the colon, or -1 for `null` and the like. */
function objectStart(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x3a) at++;
  return bytes[at] === 0x7b ? at : -1;
}

function objectEnd(bytes: Buffer, start: number): number {
  let depth = 0;
  let inString = false;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b) depth++;
    else if (byte === 0x7d && --depth === 0) return at + 1;
  }
  return -1;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A worker's broken JSON is the client's to find; only the counts are lost.
    return undefined;
  }
}
