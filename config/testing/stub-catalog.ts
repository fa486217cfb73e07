import * as z from 'zod';
import {
  type AnyPlugin,
  API_VERSION,
  type Backend,
  defineBackend,
  defineEngine,
  defineFilter,
  definePolicy,
  type Engine,
  type Policy,
} from '../../core/api/index.js';
import { ListCatalog, type PluginCatalog } from '../catalog.js';

const none = z.strictObject({});

function filter(type: string, configSchema: z.ZodType = none, traits: object = {}): AnyPlugin {
  return defineFilter({ type, apiVersion: API_VERSION, configSchema, inject: [], create: () => undefined, ...traits });
}

function policy(type: string, configSchema: z.ZodType = none): AnyPlugin {
  return definePolicy({ type, apiVersion: API_VERSION, configSchema, inject: [], create: () => ({}) as Policy });
}

const AUTH = z.strictObject({
  api_key: z.string().optional(),
  keys: z.array(z.strictObject({ id: z.string(), key: z.string() })).default([]),
  mode: z.enum(['mask', 'drop', 'hash']).default('mask'),
});
const RETRY = z.strictObject({
  attempts: z.int().min(1).default(5),
  backoff: z
    .strictObject({
      initial: z.string().default('50ms'),
      max: z.string().default('30s'),
      factor: z.number().default(1.5),
      jitter: z.number().default(0.2),
    })
    .prefault({}),
});

/** A catalog of the built-in types with schemas of the tests' own, so that tests of the loader stand alone. */
export function createStubCatalog(extra: readonly AnyPlugin[] = []): PluginCatalog {
  return new ListCatalog([
    filter('request_id', z.strictObject({ headers: z.array(z.string()).default([]) })),
    filter('telemetry', z.strictObject({ access_log: z.boolean().default(true) })),
    filter('cors', z.strictObject({ allow_origins: z.array(z.string()).default([]) })),
    filter('auth', AUTH, { provides: ['principal'] }),
    filter('rate_limit', z.looseObject({})),
    filter('admission', z.looseObject({})),
    filter('inference', none, { provides: ['inference_request'] }),
    filter(
      'model',
      z.strictObject({
        aliases: z.record(z.string(), z.string()).default({}),
        routes: z.array(z.looseObject({ name: z.string(), cluster: z.string() })).default([]),
      }),
      { requires: ['inference_request'], provides: ['cluster', 'route'] },
    ),
    filter('cost', z.looseObject({})),
    filter('fallback', z.looseObject({}), { nesting: true }),
    filter('retry', RETRY, { nesting: true }),
    filter('policy', none, { provides: ['worker'] }),
    filter('credentials', none, { requires: ['worker'] }),
    filter('upstream', none, { terminal: true }),
    filter('tagger', z.strictObject({ tag: z.string().default('x'), size: z.number().optional() }).prefault({})),
    policy('round_robin'),
    policy('random'),
    policy('power_of_two', z.strictObject({ choices: z.int().min(2).optional() })),
    defineBackend({
      type: 'openai_compatible',
      apiVersion: API_VERSION,
      configSchema: none,
      inject: [],
      create: () => ({}) as Backend,
    }),
    defineEngine({
      type: 'sim',
      apiVersion: API_VERSION,
      configSchema: z.strictObject({ models: z.array(z.string()).default(['sim']), api_key: z.string().optional() }),
      inject: [],
      create: () => ({}) as Engine,
    }),
    ...extra,
  ]);
}
