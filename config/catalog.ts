import type { AnyPlugin, PluginKind } from '../core/api/index.js';

/** The plugins that exist: built-in ones and those of the packages under `plugins:`. */
export interface PluginCatalog {
  get(kind: PluginKind, type: string): AnyPlugin | undefined;
  /** Registered types of one kind. */
  types(kind: PluginKind): readonly string[];
}

/** A package named under `plugins:`. */
export interface PluginReference {
  /** npm name, or a path relative to `baseDir`. */
  readonly package: string;
}

/**
 * Gives the catalog once it is known which packages the file names. `baseDir` is the folder of the config file.
 * A rejection is reported at `plugins`.
 */
export type CatalogLoader = (packages: readonly PluginReference[], baseDir: string) => Promise<PluginCatalog>;

/** A catalog over a fixed list. */
export class ListCatalog implements PluginCatalog {
  readonly #plugins = new Map<string, AnyPlugin>();

  constructor(plugins: Iterable<AnyPlugin>) {
    for (const plugin of plugins) this.#plugins.set(`${plugin.kind} ${plugin.type}`, plugin);
  }

  get(kind: PluginKind, type: string): AnyPlugin | undefined {
    return this.#plugins.get(`${kind} ${type}`);
  }

  types(kind: PluginKind): readonly string[] {
    return [...this.#plugins.values()].filter((plugin) => plugin.kind === kind).map((plugin) => plugin.type);
  }
}
