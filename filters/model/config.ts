import * as z from 'zod';
import {
  type Clock,
  type Cluster,
  type Clusters,
  ConfigError,
  duration,
  type RequestHeaders,
  type UpstreamTimeouts,
} from '../../core/api/index.js';
import { compileGlob, compilePatterns, type TextTest } from './patterns.js';

const patterns = z.array(z.string().min(1)).min(1);

const matchSchema = z.strictObject({
  models: patterns.optional().describe('Model names after aliases; `*` stands for anything, `!` in front excludes.'),
  headers: z.record(z.string(), z.string()).optional().describe('Header values, all of them; `*` stands for anything.'),
  paths: patterns.optional().describe('Request paths; `*` stands for anything.'),
  listeners: patterns.optional().describe('Names of listeners.'),
});

const routeSchema = z.strictObject({
  name: z.string().min(1).describe('Unique; used in logs and metrics.'),
  match: matchSchema.prefault({}).describe('Which requests: every key must match. Default: all.'),
  cluster: z.string().min(1).describe('Name of the cluster that serves them.'),
  timeouts: z
    .strictObject({
      connect: duration().optional().describe('TCP and TLS set-up.'),
      first_byte: duration().optional().describe('From the last request byte to the response head; 0 = none.'),
      idle: duration().optional().describe('Between two response bytes; 0 = none.'),
      request: duration().optional().describe('Whole request with all its attempts; 0 = none.'),
    })
    .prefault({})
    .describe('Instead of those of the cluster.'),
});

export const configSchema = z.strictObject({
  aliases: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('Other names of models: alias → model. Default none.'),
  routes: z
    .array(routeSchema)
    .default([])
    .describe('First match wins; without one, the first cluster that has the model.'),
});

export type ModelSettings = z.output<typeof configSchema>;
type RouteSettings = ModelSettings['routes'][number];

/** One route, ready to be asked. */
export class Route {
  readonly name: string;
  readonly cluster: Cluster;
  /** Its own, and those of the cluster where it has none. */
  readonly timeouts: UpstreamTimeouts;
  readonly #models: TextTest | undefined;
  readonly #paths: TextTest | undefined;
  readonly #listeners: TextTest | undefined;
  readonly #headers: readonly (readonly [string, TextTest])[];

  constructor(settings: RouteSettings, cluster: Cluster) {
    const { models, paths, listeners, headers } = settings.match;
    const { connect, first_byte, idle, request } = settings.timeouts;
    const common = cluster.timeouts;
    this.name = settings.name;
    this.cluster = cluster;
    this.timeouts = {
      connectMs: connect ?? common.connectMs,
      firstByteMs: first_byte ?? common.firstByteMs,
      idleMs: idle ?? common.idleMs,
      requestMs: request ?? common.requestMs,
    };
    this.#models = models && compilePatterns(models);
    this.#paths = paths && compilePatterns(paths);
    this.#listeners = listeners && compilePatterns(listeners);
    this.#headers = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), compileGlob(value)]);
  }

  /** `model` after aliases, empty when the client named none; `path` with its query. */
  matches(model: string, headers: RequestHeaders, path: string, listener: string): boolean {
    if (this.#models !== undefined && !this.#models(model)) return false;
    if (this.#listeners !== undefined && !this.#listeners(listener)) return false;
    if (this.#paths !== undefined && !this.#paths(withoutQuery(path))) return false;
    for (const [name, test] of this.#headers) {
      const value = headers.get(name);
      if (value === undefined || !test(value)) return false;
    }
    return true;
  }
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/** What the streams of one generation share. */
export class ModelFilterConfig {
  readonly aliases: ReadonlyMap<string, string>;
  readonly routes: readonly Route[];
  readonly clusters: Clusters;
  readonly clock: Clock;

  constructor(settings: ModelSettings, clusters: Clusters, clock: Clock) {
    this.aliases = new Map(Object.entries(settings.aliases));
    this.routes = settings.routes.map((route, index) => {
      const cluster = clusters.get(route.cluster);
      if (cluster !== undefined) return new Route(route, cluster);
      throw new ConfigError(`route "${route.name}": there is no cluster "${route.cluster}"`, [
        'routes',
        index,
        'cluster',
      ]);
    });
    this.clusters = clusters;
    this.clock = clock;
  }
}
