/** One sample of an exposition. Labels are kept as they stand between the braces. */
export interface Sample {
  readonly name: string;
  readonly labels: string;
  /** May be NaN or infinite. */
  readonly value: number;
}

/**
 * Samples of a Prometheus text exposition (0.0.4, OpenMetrics alike), one call of `onSample` each. Reads what engines
 * write, not only what they should: blanks, escaped quotes and braces in label values, timestamps, exemplars; passes over
 * lines that it does not understand. `wanted` decides by name, before a line is taken apart.
 */
export function readSamples(text: string, wanted: (name: string) => boolean, onSample: (sample: Sample) => void): void {
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    readLine(text.slice(start, end).trim(), wanted, onSample);
    start = end + 1;
  }
}

function readLine(line: string, wanted: (name: string) => boolean, onSample: (sample: Sample) => void): void {
  if (line === '' || line.startsWith('#')) return;
  const name = /^[^\s{]+/.exec(line)?.[0];
  if (name === undefined || !wanted(name)) return;
  let at = name.length;
  while (line[at] === ' ' || line[at] === '\t') at += 1;
  let labels = '';
  if (line[at] === '{') {
    const close = closingBrace(line, at);
    if (close < 0) return;
    labels = line.slice(at + 1, close);
    at = close + 1;
  }
  const value = /^\s*(\S+)/.exec(line.slice(at))?.[1];
  if (value === undefined) return;
  const number = parseValue(value);
  if (number !== undefined) onSample({ name, labels, value: number });
}

/** Where the labels end; braces and escaped quotes inside values do not count. -1: nowhere. */
function closingBrace(line: string, open: number): number {
  let quoted = false;
  for (let at = open + 1; at < line.length; at += 1) {
    const character = line[at];
    if (quoted && character === '\\') at += 1;
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === '}') return at;
  }
  return -1;
}

function parseValue(text: string): number | undefined {
  if (/^nan$/i.test(text)) return Number.NaN;
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return undefined;
  return Number(text);
}
