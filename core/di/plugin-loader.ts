import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CatalogLoader, ListCatalog, type PluginCatalog, type PluginReference } from '../../config/catalog.js';
import { BUILT_IN_FILTERS } from '../../filters/index.js';
import { BUILT_IN_PLUGINS } from '../../plugins/index.js';
import { type AnyPlugin, API_VERSION, type PluginKind } from '../api/define.js';
import { ConfigError } from '../api/errors.js';

const KINDS: readonly PluginKind[] = ['filter', 'policy', 'api', 'backend', 'engine', 'discovery'];

/** The catalog of what ships with the gateway. */
export function createBuiltInCatalog(): PluginCatalog {
  return new ListCatalog(checkPlugins([...BUILT_IN_FILTERS, ...BUILT_IN_PLUGINS], 'smg'));
}

/**
 * Built-in plugins and those of the named packages. A package exports, as its default, one definition or an array of
 * them. Everything is checked before anything of it is used; all problems are ConfigErrors.
 */
export const loadPlugins: CatalogLoader = async (packages, baseDir) => {
  const plugins: AnyPlugin[] = [...BUILT_IN_FILTERS, ...BUILT_IN_PLUGINS];
  for (const reference of packages) {
    const exported = await importPackage(reference, baseDir);
    const added = checkPlugins(Array.isArray(exported) ? exported : [exported], reference.package);
    for (const plugin of added) {
      if (plugins.some((other) => other.kind === plugin.kind && other.type === plugin.type)) {
        throw new ConfigError(`${reference.package}: the ${plugin.kind} "${plugin.type}" exists already`);
      }
      plugins.push(plugin);
    }
  }
  return new ListCatalog(plugins);
};

async function importPackage(reference: PluginReference, baseDir: string): Promise<unknown> {
  const entry = findEntry(reference.package, baseDir);
  try {
    const module = (await import(pathToFileURL(entry).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${reference.package} cannot be loaded: ${reason}`);
  }
}

/** File that `import` of the package loads, resolved from the folder of the config file. */
function findEntry(name: string, baseDir: string): string {
  if (name.startsWith('.') || name.startsWith('/')) {
    const path = resolve(baseDir, name);
    if (!existsSync(path)) throw new ConfigError(`${name} does not exist`);
    return existsSync(join(path, 'package.json')) ? entryOf(path, name) : path;
  }
  for (let dir = resolve(baseDir); ; dir = dirname(dir)) {
    const folder = join(dir, 'node_modules', name);
    if (existsSync(join(folder, 'package.json'))) return entryOf(folder, name);
    if (dir === dirname(dir)) break;
  }
  throw new ConfigError(`${name} is not installed: no node_modules at or above ${baseDir} has it`);
}

function entryOf(folder: string, name: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    exports?: unknown;
    main?: unknown;
  };
  const target = importTarget(manifest.exports) ?? (typeof manifest.main === 'string' ? manifest.main : 'index.js');
  const path = resolve(folder, target);
  if (!path.startsWith(folder) || !existsSync(path))
    throw new ConfigError(`${name}: its entry ${target} does not exist`);
  return path;
}

/** What `exports` gives for `import` of the package itself. */
function importTarget(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null) return undefined;
  const conditions = exports as Record<string, unknown>;
  for (const key of ['.', 'node', 'import', 'default']) {
    if (key in conditions) return importTarget(conditions[key]);
  }
  return undefined;
}

function checkPlugins(plugins: readonly unknown[], source: string): AnyPlugin[] {
  return plugins.map((value) => {
    const plugin = value as Partial<AnyPlugin> | null | undefined;
    const kind = plugin?.kind;
    const type = plugin?.type;
    if (
      typeof type !== 'string' ||
      kind === undefined ||
      !KINDS.includes(kind) ||
      typeof plugin?.create !== 'function'
    ) {
      throw new ConfigError(`${source}: its default export is not a plugin definition, nor an array of them`);
    }
    if (!/^[a-z][a-z0-9_]*$/.test(type)) throw new ConfigError(`${source}: the type "${type}" is not snake_case`);
    const version = String(plugin.apiVersion);
    if (version.split('.', 1)[0] !== API_VERSION) {
      throw new ConfigError(
        `${source}: the ${kind} "${type}" was built for plugin API ${version}; this gateway has ${API_VERSION}`,
      );
    }
    if (!Array.isArray(plugin.inject) || plugin.configSchema === undefined) {
      throw new ConfigError(`${source}: the ${kind} "${type}" lacks inject or configSchema`);
    }
    return plugin as AnyPlugin;
  });
}
