/** What one engine says of itself, in Prometheus' text format. */
export interface EngineScrape {
  /** Value of the label `worker_addr`. */
  readonly workerAddress: string;
  readonly text: string;
}

interface Family {
  readonly comments: string[];
  readonly samples: string[];
}

const LABEL = String.raw`[A-Za-z_]\w*\s*=\s*"(?:[^"\\]|\\.)*"`;
/**
 * Name, labels if any, value with an optional time stamp. Label values may hold braces and blanks, so they are read one by
 * one. No run of blanks can be matched in two ways: an engine must not be able to make a line that takes for ever.
 */
const SAMPLE = new RegExp(
  String.raw`^([A-Za-z_:][\w:]*)(?:\s*\{\s*((?:${LABEL}(?:\s*,\s*${LABEL})*)?)\s*(?:,\s*)?\})?\s+([^\s{]\S*(?:\s+-?\d+)?)\s*$`,
);
const COMMENT = /^#\s+(HELP|TYPE)\s+([A-Za-z_:][\w:]*)(?:\s|$)/;
/** Endings that the samples of one histogram or summary add to its name. */
const SUFFIX = /_(?:bucket|sum|count|total|created)$/;

/**
 * One exposition of several, each sample labelled with its engine. Samples of a metric stand together, as the format
 * demands; its HELP and TYPE are those of the first engine that has them. Lines that are not samples are left out.
 */
export function mergeExpositions(scrapes: readonly EngineScrape[]): string {
  const families = new Map<string, Family>();
  for (const { workerAddress, text } of scrapes) {
    const label = `worker_addr="${workerAddress.replace(/[\\"]/g, '\\$&')}"`;
    const declared = new Set<string>();
    for (const line of text.split('\n')) {
      const comment = COMMENT.exec(line);
      if (comment !== null) {
        const name = comment[2] as string;
        declared.add(name);
        const { comments } = familyOf(families, name);
        if (!comments.some((known) => known.startsWith(`# ${comment[1]} `))) comments.push(line.trim());
        continue;
      }
      const sample = SAMPLE.exec(line);
      if (sample === null) continue;
      const [, name, labels = '', value] = sample as unknown as [string, string, string | undefined, string];
      const base = name.replace(SUFFIX, '');
      const family = familyOf(families, declared.has(name) || !declared.has(base) ? name : base);
      family.samples.push(`${name}{${labels === '' ? '' : `${labels},`}${label}} ${value}`);
    }
  }
  const lines: string[] = [];
  for (const { comments, samples } of families.values()) if (samples.length > 0) lines.push(...comments, ...samples);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function familyOf(families: Map<string, Family>, name: string): Family {
  let family = families.get(name);
  if (family === undefined) {
    family = { comments: [], samples: [] };
    families.set(name, family);
  }
  return family;
}
