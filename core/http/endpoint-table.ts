import type { ClientApi } from '../api/client-api.js';
import { BugError } from '../api/errors.js';
import type { LocalEndpoint } from './local-endpoint.js';

/** What a method and a path lead to. */
export type Endpoint =
  | { readonly kind: 'api'; readonly path: string; readonly api: ClientApi }
  | { readonly kind: 'local'; readonly path: string; readonly endpoint: LocalEndpoint }
  | { readonly kind: 'wrong_method'; readonly path: string; readonly allow: string }
  | { readonly kind: 'unknown'; readonly path: 'unknown' };

interface PathEntry {
  readonly api: Endpoint | undefined;
  readonly byMethod: Map<string, Endpoint>;
  readonly wrongMethod: Endpoint;
}

const UNKNOWN: Endpoint = { kind: 'unknown', path: 'unknown' };

/** Paths of one generation, resolved by one map look-up. Query strings do not take part. */
export class EndpointTable {
  readonly #exact = new Map<string, PathEntry>();
  /** Longest first; a local endpoint whose path ends in `/*` takes everything below it. */
  readonly #prefixes: { readonly prefix: string; readonly entry: PathEntry }[] = [];

  constructor(apis: readonly ClientApi[], endpoints: readonly LocalEndpoint[]) {
    for (const api of apis) {
      for (const path of api.paths) {
        if (this.#exact.has(path)) throw new BugError(`two apis take ${path}`);
        const entry: Endpoint = { kind: 'api', path, api };
        this.#exact.set(path, {
          api: entry,
          byMethod: new Map([['POST', entry]]),
          wrongMethod: { kind: 'wrong_method', path, allow: 'POST' },
        });
      }
    }
    for (const [path, group] of groupByPath(endpoints)) this.#addLocal(path, group);
    this.#prefixes.sort((a, b) => b.prefix.length - a.prefix.length);
  }

  #addLocal(path: string, group: readonly LocalEndpoint[]): void {
    const byMethod = new Map<string, Endpoint>();
    for (const endpoint of group) {
      byMethod.set(endpoint.method, { kind: 'local', path, endpoint });
      if (endpoint.method === 'GET') byMethod.set('HEAD', { kind: 'local', path, endpoint });
    }
    const allow = [...byMethod.keys()].join(', ');
    const entry: PathEntry = { api: undefined, byMethod, wrongMethod: { kind: 'wrong_method', path, allow } };
    if (path.endsWith('/*')) this.#prefixes.push({ prefix: path.slice(0, -1), entry });
    else this.#exact.set(path, entry);
  }

  /** `target`: path with query. */
  resolve(method: string, target: string): Endpoint {
    const query = target.indexOf('?');
    const path = query < 0 ? target : target.slice(0, query);
    const entry = this.#exact.get(path) ?? this.#byPrefix(path);
    if (entry === undefined) return UNKNOWN;
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
