/** One sample of an exposition. Labels are kept as they stand between the braces. */
export interface Sample {
  readonly name: string;
  readonly labels: string;
  /** May be NaN or infinite. */
  readonly value: number;
}

const NEWLINE = 0x0a;

/**
 * Samples of one metric in a Prometheus text exposition (0.0.4, OpenMetrics alike), which stand in one group there. Reads
 * what engines write, not only what they should: blanks, escaped quotes and braces in label values, timestamps, exemplars;
 * passes over lines that it does not understand.
 *
 * Pages of engines have hundreds of KiB, of which a handful of lines is wanted: the name is searched for, and nothing is
 * read or decoded behind its group, so that the rest costs next to nothing.
 */
export function readSamples(page: Buffer, name: string): Sample[] {
  const samples: Sample[] = [];
  let at = findLine(page, name, 0);
  while (at >= 0) {
    const newline = page.indexOf(NEWLINE, at);
    const end = newline < 0 ? page.length : newline;
    const sample = readLine(page.toString('utf8', at, end), name);
    if (sample !== undefined) samples.push(sample);
    at = samples.length > 0 ? nextLine(page, name, end + 1) : findLine(page, name, end + 1);
  }
  return samples;
}

/** Where a line begins with this name, blanks before it left out; the name may go on. -1: nowhere. */
function findLine(page: Buffer, name: string, from: number): number {
  let at = page.indexOf(name, from, 'latin1');
  while (at >= 0 && !beginsLine(page, at)) at = page.indexOf(name, at + name.length, 'latin1');
  return at;
}

/** Where the line that begins at `from` has this name. -1: it has another. */
function nextLine(page: Buffer, name: string, from: number): number {
  let at = from;
  while (isBlank(page[at])) at += 1;
  return page.toString('latin1', at, at + name.length) === name ? at : -1;
}

/** Whether only blanks stand before it. */
function beginsLine(page: Buffer, at: number): boolean {
  let before = at - 1;
  while (isBlank(page[before])) before -= 1;
  return before < 0 || page[before] === NEWLINE;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09;
}

/** Undefined: another metric, whose name only begins so, or no sample. */
function readLine(line: string, name: string): Sample | undefined {
  let at = name.length;
  while (line[at] === ' ' || line[at] === '\t') at += 1;
  let labels = '';
  if (line[at] === '{') {
    const close = closingBrace(line, at);
    if (close < 0) return undefined;
    labels = line.slice(at + 1, close);
    at = close + 1;
  } else if (at === name.length) {
    return undefined;
  }
  const value = /^\s*(\S+)/.exec(line.slice(at))?.[1];
  const number = value === undefined ? undefined : parseValue(value);
  return number === undefined ? undefined : { name, labels, value: number };
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
