import { formatOrigin, type Origin } from './config-node.js';
import { redactUrls } from './secret.js';

/** One thing that is wrong with a configuration, at the place where it was written. */
export interface ConfigIssue {
  readonly origin: Origin;
  /** Path as written: `filters[2].config.mode`; empty for syntax errors. */
  readonly path: string;
  /** What is wrong and what to write instead. Holds no secret. */
  readonly message: string;
}

/** All problems of one load. `message` is the list as it is printed, one line each. */
export class ConfigErrors extends Error {
  override readonly name = 'ConfigErrors';
  readonly issues: readonly ConfigIssue[];
  /** Absolute paths of the files that were read, so that a repair is noticed. */
  readonly watchedFiles: readonly string[];

  constructor(issues: readonly ConfigIssue[], watchedFiles: readonly string[] = []) {
    const sorted = sortIssues(issues);
    super(formatIssues(sorted));
    this.issues = sorted;
    this.watchedFiles = watchedFiles;
  }
}

/** One line per issue: place, path, message; the places padded to one width. */
export function formatIssues(issues: readonly ConfigIssue[]): string {
  const places = issues.map((issue) => formatOrigin(issue.origin));
  const width = Math.max(0, ...places.map((place) => place.length));
  return issues
    .map((issue, index) => {
      const path = issue.path === '' ? '' : `${issue.path}: `;
      return `${(places[index] as string).padEnd(width)} ${path}${redactUrls(issue.message)}`;
    })
    .join('\n');
}

/** By file in order of first mention, then by line and column; equal lines once. */
function sortIssues(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const labels = [...new Set(issues.map((issue) => issue.origin.label))];
  const seen = new Set<string>();
  const unique = issues.filter((issue) => {
    const text = `${formatOrigin(issue.origin)} ${issue.path} ${issue.message}`;
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
  return unique.sort(
    (a, b) =>
      labels.indexOf(a.origin.label) - labels.indexOf(b.origin.label) ||
      a.origin.line - b.origin.line ||
      a.origin.column - b.origin.column,
  );
}
