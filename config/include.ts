import { readdir } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';

/** Most files that one pattern may name. */
const MAX_MATCHES = 1000;
const MAX_WALK_DEPTH = 16;

/** Whether a reference holds `*` or `?`. */
export function isGlob(reference: string): boolean {
  return /[*?]/.test(reference);
}

function segmentPattern(segment: string): RegExp {
  const text = segment
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`);
}

/**
 * Absolute paths of the files that an `include` item names, sorted. `*` and `?` stay within one path segment, `**`
 * spans folders; hidden files need their dot. Without a wildcard the path itself, whether it exists or not.
 */
export async function resolveInclude(reference: string, fromFile: string): Promise<string[]> {
  const absolute = resolve(dirname(fromFile), reference);
  if (!isGlob(reference)) return [absolute];
  const segments = absolute.split(sep);
  const firstGlob = segments.findIndex(isGlob);
  const root = segments.slice(0, firstGlob).join(sep) || sep;
  const found: string[] = [];
  await walk(root, segments.slice(firstGlob), found, 0);
  return [...new Set(found)].sort();
}

async function walk(folder: string, segments: readonly string[], found: string[], depth: number): Promise<void> {
  const [segment, ...rest] = segments;
  if (segment === undefined || depth > MAX_WALK_DEPTH || found.length > MAX_MATCHES) return;
  if (segment === '**') {
    await walk(folder, rest, found, depth + 1);
    for (const entry of await entriesOf(folder)) {
      if (entry.isDirectory() && !entry.name.startsWith('.'))
        await walk(join(folder, entry.name), segments, found, depth + 1);
    }
    return;
  }
  const pattern = segmentPattern(segment);
  for (const entry of await entriesOf(folder)) {
    if (!pattern.test(entry.name) || (entry.name.startsWith('.') && !segment.startsWith('.'))) continue;
    const path = join(folder, entry.name);
    if (rest.length > 0) await walk(path, rest, found, depth + 1);
    else if (!entry.isDirectory()) found.push(path);
  }
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch {
    // A folder that is missing or closed holds no matching file: a pattern without matches is no error.
    return [];
  }
}
