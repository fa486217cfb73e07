import type { ClientApi } from '../api/client-api.js';
import { BugError } from '../api/errors.js';
import type { LocalEndpoint } from './local-endpoint.js';

type AccessClass = LocalEndpoint['accessClass'];

/** What the table knows: paths that exist. */
type KnownEndpoint = { readonly path: string; readonly accessClass: AccessClass } & (
  | { readonly kind: 'api'; readonly api: ClientApi }
  | { readonly kind: 'local'; readonly endpoint: LocalEndpoint }
  | { readonly kind: 'wrong_method'; readonly allow: string }
);

/** What a method and a path lead to. `refused`: the path exists, but not for requests that come by this listener. */
export type Endpoint =
  | KnownEndpoint
  | { readonly kind: 'refused'; readonly path: string }
  | { readonly kind: 'unknown'; readonly path: 'unknown' };

interface PathEntry {
  readonly api: KnownEndpoint | undefined;
  readonly byMethod: Map<string, KnownEndpoint>;
  readonly wrongMethod: KnownEndpoint;
}

/** A path that does not exist. */
export const UNKNOWN_ENDPOINT = { kind: 'unknown', path: 'unknown' } as const;

/** Paths of one generation, resolved by one map look-up. Query strings do not take part. */
export class EndpointTable {
  readonly #exact = new Map<string, PathEntry>();
  /** Longest first; a local endpoint whose path ends in `/*` takes everything below it. */
  readonly #prefixes: { readonly prefix: string; readonly entry: PathEntry }[] = [];

  constructor(apis: readonly ClientApi[], endpoints: readonly LocalEndpoint[]) {
    for (const api of apis) {
      for (const path of api.paths) {
        if (this.#exact.has(path)) throw new BugError(`two apis take ${path}`);
        const entry: KnownEndpoint = { kind: 'api', path, accessClass: 'data', api };
        this.#exact.set(path, {
          api: entry,
          byMethod: new Map([['POST', entry]]),
          wrongMethod: { kind: 'wrong_method', path, accessClass: 'data', allow: 'POST' },
        });
      }
    }
    for (const [path, group] of groupByPath(endpoints)) this.#addLocal(path, group);
    this.#prefixes.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  #addLocal(path: string, group: readonly LocalEndpoint[]): void {
    const byMethod = new Map<string, KnownEndpoint>();
    for (const endpoint of group) {
      const known: KnownEndpoint = { kind: 'local', path, accessClass: endpoint.accessClass, endpoint };
      byMethod.set(endpoint.method, known);
      if (endpoint.method === 'GET') byMethod.set('HEAD', known);
    }
    const allow = [...byMethod.keys()].join(', ');
    // Where any method is for administrators, the others are none of a stranger's business either.
    const isControl = group.some((endpoint) => endpoint.accessClass === 'control');
    const accessClass = isControl ? 'control' : (group[0] as LocalEndpoint).accessClass;
    const wrongMethod: KnownEndpoint = { kind: 'wrong_method', path, accessClass, allow };
    const entry: PathEntry = { api: undefined, byMethod, wrongMethod };
    if (path.endsWith('/*')) this.#prefixes.push({ prefix: path.slice(0, -1), entry });
    else this.#exact.set(path, entry);
  }

  /** `target`: path with query. */
  resolve(method: string, target: string): KnownEndpoint | typeof UNKNOWN_ENDPOINT {
    const query = target.indexOf('?');
    const path = query < 0 ? target : target.slice(0, query);
    const entry = this.#exact.get(path) ?? this.#byPrefix(path);
    if (entry === undefined) return UNKNOWN_ENDPOINT;
    if (entry.api !== undefined && method === 'POST') return entry.api;
    return entry.byMethod.get(method) ?? entry.wrongMethod;
  }

  #byPrefix(path: string): PathEntry | undefined {
    for (const { prefix, entry } of this.#prefixes) {
      if (path.length > prefix.length && path.startsWith(prefix)) return entry;
    }
    return undefined;
  }
}

function groupByPath(endpoints: readonly LocalEndpoint[]): Map<string, LocalEndpoint[]> {
  const groups = new Map<string, LocalEndpoint[]>();
  for (const endpoint of endpoints) {
    const group = groups.get(endpoint.path);
    if (group === undefined) groups.set(endpoint.path, [endpoint]);
    else group.push(endpoint);
  }
  return groups;
}
