import { readFile, stat } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import type { CatalogLoader, PluginCatalog } from './catalog.js';
import { ConfigErrors, type ConfigIssue } from './config-errors.js';
import {
  type ConfigNode,
  childOf,
  formatPath,
  itemsOf,
  type MapNode,
  mapNode,
  type Origin,
  textOf,
  withoutEntry,
} from './config-node.js';
import { applyDefaultSet, type DefaultSet } from './default-sets.js';
import { type Assignment, envAssignments } from './env-overlay.js';
import { expandFilterChain } from './filter-chain.js';
import { type GatewayConfig, gatewaySchema } from './gateway.js';
import { isGlob, resolveInclude } from './include.js';
import { collectSecrets, interpolate } from './interpolation.js';
import { assignNode, mergeNodes } from './node-merge.js';
import { resolvePlugins } from './plugin-configs.js';
import { expandProviders } from './provider-expansion.js';
import { checkNode } from './schema-check.js';
import { REDACTED } from './secret.js';
import { checkReferences } from './semantic-checks.js';
import { expandShorthand, nameRoutes } from './shorthand.js';
import { loadWarnings } from './warnings.js';
import { MAX_FILE_BYTES, readYaml } from './yaml-reader.js';

const MAX_INCLUDE_DEPTH = 16;

/** Where a configuration comes from. */
export interface ConfigSource {
  /** Path of the file; relative to `cwd`. Absent: flags and environment only. */
  readonly file?: string | undefined;
  /** What the command line says, see `parseFlags`. Applied last. */
  readonly flagsPatch?: readonly Assignment[] | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. Paths in messages are relative to it. */
  readonly cwd: string;
  /** Which set of defaults when the file names none. */
  readonly defaults: DefaultSet;
}

/** A configuration that passed every check. */
export interface LoadedConfig {
  readonly config: GatewayConfig;
  /** The merged tree behind it: where each value was written. For `canonicalYaml`. */
  readonly tree: MapNode;
  /** Absolute paths of everything that was read; the main file first, even when only its folder exists. */
  readonly watchedFiles: readonly string[];
  /** For people, one line each; hold no secret. */
  readonly warnings: readonly string[];
  /** Plugins that the configuration was checked with. */
  readonly catalog: PluginCatalog;
  /** Folder that plugin paths are relative to. */
  readonly baseDir: string;
}

/**
 * Reads, merges and checks a configuration: includes, file, environment, flags, placeholders, schemas, references,
 * schemas of plugins. Opens no socket. Throws {@link ConfigErrors} with everything that is wrong; a failed load leaves
 * nothing behind, but the files that it read are in `ConfigErrors` too (`watchedFiles`), so that a repair is noticed.
 */
export async function loadConfig(source: ConfigSource, catalog: PluginCatalog | CatalogLoader): Promise<LoadedConfig> {
  const load = new ConfigLoad(source);
  return load.run(typeof catalog === 'function' ? catalog : async () => catalog);
}

class ConfigLoad {
  readonly #source: ConfigSource;
  readonly #baseDir: string;
  readonly #issues: ConfigIssue[] = [];
  readonly #warnings: string[] = [];
  readonly #watched = new Set<string>();
  #tree: MapNode | undefined = undefined;

  constructor(source: ConfigSource) {
    this.#source = source;
    this.#baseDir = source.file === undefined ? source.cwd : dirname(resolve(source.cwd, source.file));
  }

  async run(loadCatalog: CatalogLoader): Promise<LoadedConfig> {
    const tree = await this.#readTree();
    const checked = checkNode(gatewaySchema, tree);
    if (!checked.ok) this.#issues.push(...checked.issues);
    const chain = expandFilterChain(tree);
    this.#issues.push(
      ...chain.issues,
      ...checkReferences(
        tree,
        chain.items.map((item) => item.name),
      ),
    );
    const catalog = await this.#loadCatalog(tree, loadCatalog);
    const parsed = checked.ok ? checked.value : undefined;
    const resolved = catalog === undefined ? undefined : resolvePlugins(tree, chain.items, catalog, parsed);
    if (resolved !== undefined) this.#issues.push(...resolved.issues);
    if (this.#issues.length > 0 || catalog === undefined || resolved?.config === undefined) throw this.#failure();
    this.#warnings.push(...loadWarnings(tree, resolved.config));
    return {
      config: resolved.config,
      tree,
      watchedFiles: [...this.#watched],
      warnings: this.#warnings,
      catalog,
      baseDir: this.#baseDir,
    };
  }

  /** The merged tree with placeholders filled; problems so far are in `#issues`. */
  async #readTree(): Promise<MapNode> {
    const origin: Origin = { source: 'default', label: '', file: undefined, line: 0, column: 0 };
    let root: MapNode = mapNode([], [], origin);
    if (this.#source.file !== undefined) {
      root = (await this.#readFile(resolve(this.#source.cwd, this.#source.file), [])) ?? root;
      // A file that cannot be read makes every further message noise.
      if (this.#issues.length > 0) throw this.#failure();
    }
    const overlays = [...envAssignments(this.#source.env), ...(this.#source.flagsPatch ?? [])];
    for (const { path, node } of overlays) root = assignNode(root, path, node) as MapNode;
    root = expandProviders(nameRoutes(expandShorthand(root)), this.#source.env);
    for (const key of root.entries.keys()) if (key.startsWith('x-')) root = withoutEntry(root, key);
    root = withoutEntry(root, 'include');
    const filled = await interpolate(root, this.#source.env, this.#source.cwd);
    this.#issues.push(...filled.issues);
    for (const file of filled.files) this.#watched.add(file);
    this.#tree = applyDefaultSet(root, this.#source.defaults);
    return this.#tree;
  }

  async #readFile(file: string, includedBy: readonly string[], at?: ConfigNode): Promise<MapNode | undefined> {
    const label = relative(this.#source.cwd, file) || file;
    this.#watched.add(file);
    const text = await this.#readText(file, label, at);
    if (text === undefined) return undefined;
    const document = readYaml(text, label, file);
    this.#issues.push(...document.issues);
    if (document.root === undefined) return undefined;
    const root = expandShorthand(document.root);
    let below: MapNode | undefined;
    for (const item of itemsOf(childOf(root, 'include'))) {
      for (const path of await this.#includedFiles(item, file)) {
        const included = await this.#include(path, [...includedBy, file], item);
        if (included !== undefined) below = mergeNodes(below, included) as MapNode;
      }
    }
    return mergeNodes(below, root) as MapNode;
  }

  async #includedFiles(item: ConfigNode, file: string): Promise<string[]> {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') {
      this.#report(item, 'must be text, the name of a file');
      return [];
    }
    const paths = (await resolveInclude(item.value, file)).filter(
      (path) => path !== file || !isGlob(String(item.value)),
    );
    if (paths.length === 0) this.#warnings.push(`include ${item.value}: no file matches`);
    return paths;
  }

  async #include(path: string, includedBy: readonly string[], item: ConfigNode): Promise<MapNode | undefined> {
    if (includedBy.includes(path)) {
      const names = [...includedBy.slice(includedBy.indexOf(path)), path].map((file) =>
        relative(this.#source.cwd, file),
      );
      this.#report(item, `files include each other: ${names.join(' → ')}`);
      return undefined;
    }
    if (includedBy.length > MAX_INCLUDE_DEPTH) {
      this.#report(item, `includes are nested deeper than ${MAX_INCLUDE_DEPTH}`);
      return undefined;
    }
    const root = await this.#readFile(path, includedBy, item);
    return root === undefined ? undefined : withoutEntry(root, 'include');
  }

  async #readText(file: string, label: string, at: ConfigNode | undefined): Promise<string | undefined> {
    const fail = (message: string): undefined => {
      const origin: Origin = { source: 'file', label, file, line: 0, column: 0 };
      if (at === undefined) this.#issues.push({ origin, path: '', message });
      else this.#report(at, `${label}: ${message}`);
      return undefined;
    };
    try {
      if ((await stat(file)).size > MAX_FILE_BYTES) return fail('is larger than 8 MiB');
      return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      return fail(code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? 'unknown error'})`);
    }
  }

  async #loadCatalog(tree: MapNode, loadCatalog: CatalogLoader): Promise<PluginCatalog | undefined> {
    const plugins = childOf(tree, 'plugins');
    const packages = itemsOf(plugins).flatMap((item) => {
      const name = textOf(item, 'package');
      return name === undefined ? [] : [{ package: name }];
    });
    try {
      return await loadCatalog(packages, this.#baseDir);
    } catch (error) {
      this.#report(plugins ?? tree, error instanceof Error ? error.message : String(error), 'plugins');
      return undefined;
    }
  }

  #report(node: ConfigNode, message: string, fallbackPath = ''): void {
    this.#issues.push({ origin: node.origin, path: formatPath(node.path) || fallbackPath, message });
  }

  #failure(): ConfigErrors {
    // Now that plugins' schemas have said what is secret. Their messages may repeat what they refuse.
    const secrets = this.#tree === undefined ? [] : [...collectSecrets(this.#tree)];
    const redact = (text: string): string => secrets.reduce((out, secret) => out.replaceAll(secret, REDACTED), text);
    const issues = this.#issues.map((issue) => ({ ...issue, message: redact(issue.message) }));
    return new ConfigErrors(issues, [...this.#watched]);
  }
}
