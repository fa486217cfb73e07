import * as z from 'zod';
import {
  type Clock,
  type Cluster,
  type Clusters,
  ConfigError,
  type Counter,
  compilePatterns,
  duration,
  type Family,
  type StatsScope,
  type TextTest,
} from '../../core/api/index.js';
import { JsonScanner } from '../../core/inference/json-scan.js';
import { CONDITIONS, DEFAULT_CONDITIONS, type FallbackCondition, FallbackConditions } from './conditions.js';

const targetSchema = z.union([
  z.string().min(1),
  z.strictObject({
    cluster: z.string().min(1).describe('Name of the cluster.'),
    model: z.string().min(1).optional().describe('Model that is asked for there. Default: the one of the request.'),
  }),
]);

const targetsSchema = z
  .array(targetSchema)
  .describe('Clusters in the order in which they are asked: a name, or `cluster` and the `model` to ask for there.');

const conditionsSchema = z
  .array(z.union([z.enum(CONDITIONS), z.int().min(400).max(599)]))
  .describe(
    'After what the next cluster is asked: unavailable (no worker can take it, or has the model), error (connect, reset, timeout, 408, 5xx), rate_limit (429), ' +
      'first_token, auth (401, 403, no key), refused (the dialect of the workers cannot carry it), or a status. ' +
      'Default unavailable, error, rate_limit, first_token.',
  );

const firstTokenSchema = duration().describe(
  'A streamed answer of which nothing has come after that time is given up, unless it is the last cluster. 0 = never.',
);

const ruleSchema = z.strictObject({
  clusters: z.array(z.string().min(1)).optional().describe('Clusters that the request was meant for. Default: all.'),
  models: z
    .array(z.string().min(1))
    .optional()
    .describe('Its model, after aliases; `*` and `!` as in a match. Default: all.'),
  to: targetsSchema.min(1),
  on: conditionsSchema.optional(),
  first_token: firstTokenSchema.optional(),
});

export const configSchema = z.strictObject({
  to: targetsSchema.default([]).describe('Clusters for requests that no rule takes. Default none.'),
  rules: z.array(ruleSchema).default([]).describe('First match wins. Default none.'),
  on: conditionsSchema.default([...DEFAULT_CONDITIONS]),
  first_token: firstTokenSchema.prefault('0s'),
  attempts_header: z
    .boolean()
    .default(false)
    .describe('Answers tell in `x-smg-attempts` which clusters were asked, and how it went. Default false.'),
});

export type FallbackSettings = z.output<typeof configSchema>;
type TargetSettings = z.output<typeof targetSchema>;
type RuleSettings = z.output<typeof ruleSchema>;

/** A cluster to go on to. */
export interface FallbackTarget {
  readonly cluster: Cluster;
  /** Undefined: the model of the request. */
  readonly model: string | undefined;
}

/** What a request may go on to, and after what. */
export interface FallbackPlan {
  readonly targets: readonly FallbackTarget[];
  readonly conditions: FallbackConditions;
  /** 0: none. */
  readonly firstTokenMs: number;
}

interface Rule extends FallbackPlan {
  readonly clusters: readonly string[] | undefined;
  readonly models: TextTest | undefined;
}

/** What the runs of one generation share. */
export class FallbackFilterConfig {
  readonly clock: Clock;
  readonly attemptsHeader: boolean;
  readonly scanner = new JsonScanner();
  /** Labels: the cluster that was given up, the next one, why. */
  readonly fallbacks: Family<Counter>;
  /** Requests that failed in the last cluster, too. Label: the cluster that they were meant for. */
  readonly exhausted: Family<Counter>;
  readonly #rules: readonly Rule[];

  constructor(settings: FallbackSettings, clusters: Clusters, clock: Clock, stats: StatsScope) {
    this.clock = clock;
    this.attemptsHeader = settings.attempts_header;
    this.fallbacks = stats.counter({
      name: 'smg_fallbacks_total',
      help: 'Requests that went on to another cluster',
      labels: ['from', 'to', 'reason'],
    });
    this.exhausted = stats.counter({
      name: 'smg_fallbacks_exhausted_total',
      help: 'Requests that failed in their last cluster, too',
      labels: ['cluster'],
    });
    const resolve = (to: readonly TargetSettings[], path: (string | number)[]): FallbackTarget[] =>
      to.map((target, index) => resolveTarget(target, clusters, [...path, index]));
    const planOf = (to: readonly FallbackTarget[], on: readonly FallbackCondition[], firstTokenMs: number) => {
      const conditions = new FallbackConditions(on);
      return { targets: to, conditions, firstTokenMs: conditions.firstToken ? firstTokenMs : 0 };
    };
    const ruleOf = (rule: RuleSettings, index: number): Rule => {
      checkClusters(rule.clusters ?? [], clusters, index);
      return {
        ...planOf(
          resolve(rule.to, ['rules', index, 'to']),
          rule.on ?? settings.on,
          rule.first_token ?? settings.first_token,
        ),
        clusters: rule.clusters,
        models: rule.models === undefined ? undefined : compilePatterns(rule.models),
      };
    };
    const rest = planOf(resolve(settings.to, ['to']), settings.on, settings.first_token);
    this.#rules = [...settings.rules.map(ruleOf), { ...rest, clusters: undefined, models: undefined }];
  }

  /** `cluster`: the one that the request was meant for. */
  planFor(cluster: string, model: string | undefined): FallbackPlan {
    for (const rule of this.#rules) {
      if (rule.clusters !== undefined && !rule.clusters.includes(cluster)) continue;
      if (rule.models === undefined || rule.models(model ?? '')) return rule;
    }
    return this.#rules.at(-1) as Rule;
  }
}

function resolveTarget(target: TargetSettings, clusters: Clusters, path: (string | number)[]): FallbackTarget {
  const { cluster: name, model } = typeof target === 'string' ? { cluster: target, model: undefined } : target;
  const cluster = clusters.get(name);
  if (cluster === undefined) throw new ConfigError(`there is no cluster "${name}"`, path);
  return { cluster, model };
}

function checkClusters(names: readonly string[], clusters: Clusters, rule: number): void {
  for (const [index, name] of names.entries()) {
    if (clusters.get(name) !== undefined) continue;
    throw new ConfigError(`there is no cluster "${name}"`, ['rules', rule, 'clusters', index]);
  }
}
