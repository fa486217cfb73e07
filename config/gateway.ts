import * as z from 'zod';
import type { RequestMatch } from '../core/api/request-match.js';
import type { ByokMode } from '../core/api/worker.js';
import { clusterSchema, drainSchema, healthCheckSchema, type WorkerConfig } from './cluster.js';
import type { Origin } from './config-node.js';
import { filterEntrySchema } from './filters.js';
import { listenerSchema } from './listener.js';
import { adminSchema, runtimeSchema } from './operations.js';
import { sharedProtectionShape } from './protection.js';
import { providerSchema } from './provider.js';
import { routeSchema } from './route.js';
import { offOr } from './scalars.js';
import type { Secret } from './secret.js';
import { telemetrySchema } from './telemetry.js';

const pluginBlock = (filter: string) => z.record(z.string(), z.unknown()).describe(`Config of the filter ${filter}.`);

const modelSchema = z
  .strictObject({ cost: pluginBlock('cost (models)').optional().describe('Its prices, per million tokens.') })
  .describe('One model.');

const modelsSchema = z
  .object({
    aliases: z.record(z.string(), z.string().min(1)).default({}).describe('Other names of models: alias → model.'),
  })
  .catchall(modelSchema)
  .prefault({})
  .describe('Models.');

const resilienceSchema = z
  .strictObject({
    retry: offOr(pluginBlock('retry')).optional().describe('Config of the filter retry, or `off`.'),
    health: offOr(healthCheckSchema.partial())
      .optional()
      .describe('Defaults of health checks of all clusters, or `off`.'),
    drain: offOr(drainSchema.partial())
      .optional()
      .describe('How removed workers of all clusters go; a duration is `settle`, or `off`.'),
    ...sharedProtectionShape,
  })
  .prefault({})
  .describe('What happens when workers fail.');

const limitsSchema = z
  .strictObject({
    concurrency: offOr(pluginBlock('admission')).optional().describe('Config of the filter admission, or `off`.'),
    rate: offOr(pluginBlock('rate_limit'))
      .optional()
      .describe('Limit of all requests together (rate_limit), or `off`.'),
    address: offOr(pluginBlock('rate_limit')).optional().describe('Limit of each client address, or `off`.'),
    tenants: pluginBlock('rate_limit').optional().describe('Limits by tenant; `default` for those not listed.'),
  })
  .prefault({})
  .describe('How much is taken on.');

const pluginReferenceSchema = z.strictObject({
  package: z.string().min(1).describe('npm package, or a path relative to this file.'),
});

/** The whole file. Shorthand is expanded and lists are named before this schema sees it. */
export const gatewaySchema = z.strictObject({
  version: z.literal(1).default(1).describe('Version of this format. Default 1.'),
  defaults: z
    .enum(['standard', 'smg'])
    .default('standard')
    .describe('Which set of defaults. `smg`: those of the SMG command line. Default standard.'),
  include: z.array(z.string()).default([]).describe('Files below this one, relative to it; * and ** are allowed.'),
  listeners: z.array(listenerSchema).min(1).describe('Sockets for clients. Default: `main` on 0.0.0.0:30000.'),
  filters: z.array(filterEntrySchema).describe('The chain, top to bottom. Default: preset standard.'),
  routes: z.array(routeSchema).default([]).describe('First match wins. Default: by model.'),
  clusters: z.array(clusterSchema).default([]).describe('Groups of workers. A plain list of URLs is one cluster.'),
  policies: z
    .record(z.string(), z.looseObject({ type: z.string().describe('Policy type; its settings stand beside it.') }))
    .default({})
    .describe('Policies by name.'),
  providers: z
    .record(z.string().min(1).max(64), providerSchema)
    .default({})
    .describe('Cloud APIs by name: keys that their workers share, and how requests to them are changed.'),
  models: modelsSchema,
  resilience: resilienceSchema,
  auth: pluginBlock('auth').optional(),
  cors: pluginBlock('cors').optional(),
  cost: pluginBlock('cost').optional(),
  limits: limitsSchema,
  tenants: pluginBlock('rate_limit').optional().describe('Whose a request is, beside its key (rate_limit).'),
  telemetry: telemetrySchema,
  plugins: z.array(pluginReferenceSchema).default([]).describe('Packages that bring plugins.'),
  admin: adminSchema,
  runtime: runtimeSchema,
});

type ParsedGateway = z.output<typeof gatewaySchema>;
type ParsedCluster = z.output<typeof clusterSchema>;
type ParsedRoute = z.output<typeof routeSchema>;

/** One filter of the expanded chain. */
export interface FilterConfig {
  readonly name: string;
  readonly type: string;
  /** Merged settings before the filter's schema: what is printed and compared. Secrets are wrapped. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The same after the filter's schema: what its `create` takes. Not enumerable: it may hold secrets as text. */
  readonly parsed: unknown;
  readonly match: RequestMatch | undefined;
  /** Where the entry stands, or the preset that it comes from. */
  readonly origin: Origin;
}

/** A policy of one cluster. */
export interface PolicyConfig {
  /** Name under `policies:`, else the type. */
  readonly name: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** After the schema of the policy. */
  readonly parsed: unknown;
}

/** A cloud API as the file and the environment know it. */
export interface ProviderConfig {
  /** Canonical. */
  readonly name: string;
  readonly key: Secret | undefined;
  readonly list_key: Secret | undefined;
  readonly byok: ByokMode | undefined;
  readonly url: string | undefined;
  /** Type of its backend plugin. */
  readonly backend: string;
  /** Settings of that backend. */
  readonly config: Readonly<Record<string, unknown>>;
  /** After the schema of the backend. */
  readonly parsed: unknown;
}

/** Engines that a cluster starts. */
export interface EngineConfig {
  readonly type: string;
  readonly count: number;
  readonly config: Readonly<Record<string, unknown>>;
  /** After the schema of the engine. */
  readonly parsed: unknown;
}

/** Where a cluster finds workers. */
export interface DiscoveryConfig {
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** After the schema of the discovery. */
  readonly parsed: unknown;
}

export interface ClusterConfig extends Omit<ParsedCluster, 'policy' | 'engine' | 'discovery' | 'workers'> {
  readonly workers: readonly WorkerConfig[];
  readonly policy: PolicyConfig;
  readonly engine: EngineConfig | undefined;
  readonly discovery: DiscoveryConfig | undefined;
  /** Of the whole file: its workers may be of any. */
  readonly providers: readonly ProviderConfig[];
}

/** Change of one filter on one route. */
export interface RouteFilterConfig {
  readonly name: string;
  readonly disabled: boolean;
  /** What the route says itself; undefined when it has no settings for the filter. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** Laid over the settings of the filter and passed through its schema; undefined without `config`. Not enumerable. */
  readonly parsed: unknown;
}

export interface RouteConfig extends Omit<ParsedRoute, 'filters' | 'retry' | 'fallback'> {
  readonly filters: readonly RouteFilterConfig[];
}

/**
 * What the runtime sees: one frozen object in canonical form. Shorthand is expanded, defaults are filled, the chain is
 * written out, references are resolved; blocks such as `auth` are part of the config of their filters. Keys are those of the YAML file; durations are ms, sizes bytes.
 */
export interface GatewayConfig
  extends Pick<ParsedGateway, 'version' | 'defaults' | 'listeners' | 'models' | 'plugins' | 'admin' | 'runtime'> {
  readonly telemetry: Omit<ParsedGateway['telemetry'], 'request_id'>;
  readonly filters: readonly FilterConfig[];
  readonly clusters: readonly ClusterConfig[];
  readonly routes: readonly RouteConfig[];
  readonly providers: readonly ProviderConfig[];
}
