import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Version of the package that this file belongs to, built or not. */
export function packageVersion(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const manifest = readManifest(join(dir, 'package.json'));
    if (manifest?.name === 'smg' && manifest.version !== undefined) return manifest.version;
    if (dir === dirname(dir)) return 'unknown';
  }
}

function readManifest(path: string): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { name?: string; version?: string };
  } catch {
    // No manifest here: the caller looks one folder up.
    return undefined;
  }
}

/** One line, or with build facts. Loads nothing of the gateway. */
export function versionText(verbose: boolean): string {
  const line = `smg ${packageVersion()}\n`;
  if (!verbose) return line;
  const facts = [
    ['Node', process.version],
    ['Platform', `${process.platform}-${process.arch}`],
    ['Config format', '1'],
  ] as const;
  return `${line}\n${facts.map(([name, value]) => `${name}: ${value}`).join('\n')}\n`;
}
