import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CatalogLoader, PluginCatalog } from '../catalog.js';
import { ConfigErrors } from '../config-errors.js';
import type { DefaultSet } from '../default-sets.js';
import type { Assignment } from '../env-overlay.js';
import { type LoadedConfig, loadConfig } from '../loader.js';
import { createStubCatalog } from './stub-catalog.js';

export interface LoadTextOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Further files by name; the main one is `gateway.yaml`. */
  readonly files?: Readonly<Record<string, string>>;
  readonly flagsPatch?: readonly Assignment[];
  readonly defaults?: DefaultSet;
  readonly catalog?: PluginCatalog | CatalogLoader;
}

/** Loads a text as `gateway.yaml` from a folder of its own, which is gone afterwards. */
export async function loadText(text: string, options: LoadTextOptions = {}): Promise<LoadedConfig> {
  const cwd = await mkdtemp(join(tmpdir(), 'smg-config-'));
  try {
    const files = { 'gateway.yaml': text, ...options.files };
    await Promise.all(Object.entries(files).map(([name, content]) => writeFile(join(cwd, name), content)));
    const { env = {}, flagsPatch, defaults = 'standard', catalog = createStubCatalog() } = options;
    return await loadConfig({ file: 'gateway.yaml', flagsPatch, env, cwd, defaults }, catalog);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}

/** The error listing that a text gives; fails when it loads. */
export async function errorsOf(text: string, options: LoadTextOptions = {}): Promise<string> {
  try {
    await loadText(text, options);
  } catch (error) {
    if (error instanceof ConfigErrors) return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
