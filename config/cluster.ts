import * as z from 'zod';
import { WORKER_RUNTIMES, workerFields } from '../core/api/worker-fields.js';
import { clusterProtectionShape } from './protection.js';
import { duration, offOr, resourceName, secret, workerUrl } from './scalars.js';
import { upstreamTlsSchema } from './tls.js';

/** Facts about a worker that it cannot be asked for. */
export const workerSchema = z.strictObject({
  url: workerUrl().describe('Base URL: http:// or https://, a path is allowed.'),
  runtime: z
    .enum([...WORKER_RUNTIMES, 'unspecified'])
    .optional()
    .describe('Engine behind it; external: a cloud API. Default unspecified: detected.'),
  worker_type: z.enum(['regular']).default('regular').describe('Role. Default regular.'),
  models: z.array(z.string().min(1)).default([]).describe('Models it serves. Default: asked for; empty = any.'),
  priority: workerFields.priority
    .default(50)
    .describe('Workers of a higher priority are used first, while they have room. Default 50.'),
  cost: workerFields.cost.default(1).describe('Relative cost of a request; divides its share. Default 1.'),
  weight: workerFields.weight.default(1).describe('Share of traffic where a policy uses weights. Default 1.'),
  labels: workerFields.labels.default({}).describe('Free labels, for policies and people.'),
  api_key: secret().optional().describe('Key that this worker wants. Default: that of the cluster.'),
  byok: workerFields.byok
    .optional()
    .describe('What becomes of a provider key that the caller brings. Default: as its cluster.'),
  provider: workerFields.provider
    .optional()
    .describe('Cloud API behind it: openai, anthropic, xai, gemini, azure, or any name for one that speaks as OpenAI.'),
  backend: z.string().optional().describe('Backend plugin that speaks to it. Default: by provider, then by runtime.'),
});

export type WorkerConfig = z.output<typeof workerSchema>;

const count = (fallback: number) => z.int().min(1).max(1000).default(fallback);

/** Active health checks, without `off`. */
export const healthCheckSchema = z.strictObject({
  every: duration(100).prefault('10s').describe('Period of probes. Default 10s (60s with `defaults: smg`).'),
  timeout: duration(1).prefault('5s').describe('Time in which a probe must be answered. Default 5s.'),
  path: z
    .string()
    .startsWith('/', 'must start with /')
    .default('/health')
    .describe('Path of the probe. Default /health.'),
  unhealthy_after: count(3).describe('Failed probes in a row that take a worker out. Default 3.'),
  remove_failed: z
    .boolean()
    .default(false)
    .describe(
      'Are failed workers removed while others serve their models? Default false: they are tried on, for ever.',
    ),
  healthy_after: count(2).describe('Good probes in a row that bring it back. Default 2.'),
});

export type HealthCheckConfig = z.output<typeof healthCheckSchema>;

const startupSchema = z
  .strictObject({
    timeout: duration(1)
      .prefault('30m')
      .describe('Time in which a new worker is to come up; then it counts as failed, and is tried on. Default 30m.'),
    delay: duration().prefault('0s').describe('Time before the first check of a new worker. Default 0s.'),
    check_every: duration(100)
      .optional()
      .describe(
        'Longest pause between two checks until it has come up; they begin at 200ms. Default 5s, or `health.every` where ' +
          'that is shorter.',
      ),
  })
  .prefault({})
  .describe('How new workers are waited for.');

/** How workers go that nothing names any more, without `off`. */
export const drainSchema = z.strictObject({
  settle: duration()
    .prefault('0s')
    .describe('How long a worker that was ready is at least seen draining. Default 0s (5s with `defaults: smg`).'),
  timeout: duration()
    .prefault('0s')
    .describe('Its last requests are cut after so long, `settle` included; 0 = they may finish. Default 0s.'),
});

/** Time limits towards workers. */
export const timeoutsSchema = z
  .strictObject({
    connect: duration().prefault('10s').describe('TCP and TLS set-up. Default 10s.'),
    first_byte: duration()
      .prefault('2m')
      .describe('From the last request byte to the response head; 0 = none. Default 2m.'),
    idle: duration().prefault('5m').describe('Between two response bytes; 0 = none. Default 5m.'),
    request: duration().prefault('30m').describe('Whole request with all its attempts; 0 = none. Default 30m.'),
  })
  .prefault({})
  .describe('Time limits towards workers.');

export type TimeoutsConfig = z.output<typeof timeoutsSchema>;

const poolSchema = z
  .strictObject({
    idle_timeout: duration()
      .prefault('3s')
      .describe("Life of an unused connection; keep it below the worker's own. 0 = for ever. Default 3s."),
    max_per_worker: z.int().min(1).max(100_000).default(500).describe('Most idle connections per worker. Default 500.'),
  })
  .prefault({})
  .describe('Connections to workers.');

const engineSchema = z
  .strictObject({
    type: z.string().describe('Engine plugin: sim.'),
    count: z.int().min(1).max(64).default(1).describe('How many to start. Default 1.'),
    config: z.record(z.string(), z.unknown()).default({}).describe('Settings of that engine.'),
  })
  .describe('Engines started beside the gateway; their URLs join the workers.');

const discoverySchema = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .refine((types) => Object.keys(types).length === 1, 'takes one discovery: its type as the key, its settings below')
  .describe('Where workers are found: `{ TYPE: settings }`. They join those that are written down.');

/** A policy by name, or written out: `{ type, ...parameters }`. */
export const policySchema = z.union([
  z.string(),
  z.looseObject({ type: z.string().describe('Policy type; its settings stand beside it.') }),
]);

/** Workers that serve the same models by the same rules. */
export const clusterSchema = z.strictObject({
  name: resourceName().describe('Unique; used in routes, logs and metrics. Default `default`, then `cluster_2`, …'),
  workers: z.array(workerSchema).default([]).describe('Workers. A string is a URL.'),
  policy: policySchema.optional().describe('Name under `policies`, or a policy type. Default power_of_two.'),
  runtime: workerFields.runtime.optional().describe('Engine behind its workers that name none themselves.'),
  provider: workerFields.provider.optional().describe('Cloud API behind its workers that name none themselves.'),
  url: workerUrl()
    .optional()
    .describe('Its only worker, where `workers` is not given. Default with `provider`: the address of that cloud.'),
  byok: workerFields.byok.optional().describe('What becomes of provider keys that callers bring. Default allow.'),
  pass_through: z
    .boolean()
    .optional()
    .describe('`true` is `byok: require`: nothing goes out without a key of the caller.'),
  models: z.array(z.string().min(1)).default([]).describe('Models of workers that name none themselves.'),
  api_key: secret().optional().describe('Bearer key sent to workers that have none themselves.'),
  health: offOr(healthCheckSchema).prefault({}).describe('Active health checks, or `off`.'),
  startup: startupSchema,
  drain: offOr(
    drainSchema.refine(({ settle, timeout }) => timeout === 0 || timeout >= settle, {
      message: 'must be at least `settle`, or 0',
      path: ['timeout'],
    }),
  )
    .prefault({})
    .describe('How its workers go; a duration is `settle`. `off`: gone with their last request.'),
  ...clusterProtectionShape,
  timeouts: timeoutsSchema,
  pool: poolSchema,
  tls: upstreamTlsSchema.optional(),
  dp: z
    .strictObject({
      aware: z
        .boolean()
        .optional()
        .describe('Does the gateway choose the data-parallel rank? Default: the engine, unless `scheduler` is given.'),
      scheduler: z
        .enum(['min_requests', 'min_tokens'])
        .optional()
        .describe(
          'What the chosen rank has fewest of: requests in flight, or outstanding tokens. Default min_requests.',
        ),
    })
    .prefault({})
    .describe('Engines with several data-parallel ranks (their `dp_size`).'),
  engine: engineSchema.optional(),
  discovery: discoverySchema.optional(),
});
