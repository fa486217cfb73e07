import type { FilterMatch } from '../../config/route.js';
import { ConfigError } from '../api/errors.js';
import type { FilterFactoryCb } from '../api/filter.js';
import type { StreamInfo } from '../api/stream-info.js';

type Test = (value: string) => boolean;

/**
 * Patterns of one `match` key: one item is enough, `*` stands for anything, `!` in front excludes. Only exclusions:
 * everything else matches.
 */
export function compilePatterns(patterns: readonly string[]): Test {
  const excluded = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => globTest(pattern.slice(1)));
  const included = patterns.filter((pattern) => !pattern.startsWith('!')).map(globTest);
  return (value) =>
    !excluded.some((test) => test(value)) && (included.length === 0 || included.some((test) => test(value)));
}

function globTest(pattern: string): Test {
  if (!pattern.includes('*')) return (value) => value === pattern;
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  const expression = new RegExp(`^${source}$`, 's');
  return (value) => expression.test(value);
}

/** Whether a stream is one that `match` takes; decided by what is known when it begins. */
export function compileStreamTest(name: string, match: FilterMatch): (info: StreamInfo) => boolean {
  for (const key of ['models', 'headers', 'streaming'] as const) {
    if (match[key] !== undefined) {
      throw new ConfigError(`the filter "${name}": match by ${key} is not built yet; paths, methods and listeners are`);
    }
  }
  const paths = match.paths === undefined ? undefined : compilePatterns(match.paths);
  const methods = match.methods === undefined ? undefined : compilePatterns(match.methods);
  const listeners = match.listeners === undefined ? undefined : compilePatterns(match.listeners);
  return (info) =>
    (listeners === undefined || listeners(info.listener)) &&
    (methods === undefined || methods(info.method)) &&
    (paths === undefined || paths(info.path.split('?', 1)[0] as string));
}

/** Leaves the filter out of streams that its `match` does not take. */
export function compileMatch(name: string, match: FilterMatch, factory: FilterFactoryCb): FilterFactoryCb {
  const takes = compileStreamTest(name, match);
  return (callbacks) => (takes(callbacks.streamInfo) ? factory(callbacks) : undefined);
}
