import type { ClientApi, ErrorDialect } from '../api/client-api.js';
import { BugError } from '../api/errors.js';
import type { RequestHeaders } from '../api/headers.js';
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

  readonly #apis: readonly ClientApi[];
  readonly #marked: readonly ClientApi[];

  constructor(apis: readonly ClientApi[], endpoints: readonly LocalEndpoint[]) {
    this.#apis = apis;
    this.#marked = apis.filter((api) => api.markerHeader !== undefined);
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

  /** Dialect of a client whose request no api takes: that of the api at or above the path, else of the one it is marked for. */
  dialectOf(target: string, headers: RequestHeaders): ErrorDialect {
    const above = this.#apis.find((api) => api.paths.some((path) => isAtOrBelow(target, path)));
    const api = above ?? this.#marked.find((candidate) => headers.has(candidate.markerHeader as string));
    return api?.errorDialect ?? 'openai';
  }

  #byPrefix(path: string): PathEntry | undefined {
    for (const { prefix, entry } of this.#prefixes) {
      if (path.length > prefix.length && path.startsWith(prefix)) return entry;
    }
    return undefined;
  }
}

/** `target`: path with query. */
function isAtOrBelow(target: string, path: string): boolean {
  if (!target.startsWith(path)) return false;
  const next = target[path.length];
  return next === undefined || next === '/' || next === '?';
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
