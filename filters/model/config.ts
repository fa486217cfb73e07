import * as z from 'zod';
import {
  type Clock,
  type Cluster,
  type Clusters,
  ConfigError,
  duration,
  RequestTest,
  requestMatchSchema,
  timeoutsOf,
  type UpstreamTimeouts,
} from '../../core/api/index.js';

const routeSchema = z.strictObject({
  name: z.string().min(1).describe('Unique; used in logs and metrics.'),
  match: requestMatchSchema.prefault({}).describe('Which requests: every key must match. Default: all.'),
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
  may_lack_model: z
    .boolean()
    .default(false)
    .describe(
      'Requests go on although no worker of the cluster has their model: a filter below knows another. Default false; true with `fallback`.',
    ),
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
  /** Its own alone; undefined: none. */
  readonly ownTimeouts: Partial<UpstreamTimeouts> | undefined;
  readonly mayLackModel: boolean;
  readonly match: RequestTest;

  constructor(settings: RouteSettings, cluster: Cluster) {
    this.name = settings.name;
    this.cluster = cluster;
    this.ownTimeouts = ownTimeoutsOf(settings.timeouts);
    this.timeouts = timeoutsOf(cluster, this.ownTimeouts);
    this.mayLackModel = settings.may_lack_model;
    this.match = new RequestTest(settings.match);
  }
}

function ownTimeoutsOf(settings: RouteSettings['timeouts']): Partial<UpstreamTimeouts> | undefined {
  const { connect, first_byte, idle, request } = settings;
  const own: Partial<UpstreamTimeouts> = {
    ...(connect === undefined ? undefined : { connectMs: connect }),
    ...(first_byte === undefined ? undefined : { firstByteMs: first_byte }),
    ...(idle === undefined ? undefined : { idleMs: idle }),
    ...(request === undefined ? undefined : { requestMs: request }),
  };
  return Object.keys(own).length === 0 ? undefined : own;
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
