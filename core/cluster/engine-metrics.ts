import { isJsonObject } from '../api/json.js';
import type { EngineLoad, EngineRankLoad, WorkerRuntime } from '../api/worker.js';
import { readSamples } from './prometheus-text.js';

/** What an engine said, before it is known when. */
export interface EngineReport {
  readonly version: string | undefined;
  readonly ranks: readonly EngineRankLoad[];
}

const NUMBER_FIELDS = {
  num_running_reqs: 'numRunningReqs',
  num_waiting_reqs: 'numWaitingReqs',
  num_waiting_uncached_tokens: 'numWaitingUncachedTokens',
  num_total_reqs: 'numTotalReqs',
  num_used_tokens: 'numUsedTokens',
  max_total_num_tokens: 'maxTotalNumTokens',
  max_running_requests: 'maxRunningRequests',
  token_usage: 'tokenUsage',
  gen_throughput: 'genThroughput',
  cache_hit_rate: 'cacheHitRate',
  utilization: 'utilization',
} as const satisfies Record<string, keyof EngineRankLoad>;

const DISAGGREGATION_FIELDS = {
  kv_transfer_latency_ms: 'kvTransferLatencyMs',
  kv_transfer_speed_gb_s: 'kvTransferSpeedGbS',
  prefill_queue_reqs: 'prefillQueueReqs',
  decode_queue_reqs: 'decodeQueueReqs',
} as const satisfies Record<string, keyof EngineRankLoad>;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function unknownRank(dpRank: number): Mutable<EngineRankLoad> {
  return {
    dpRank,
    numRunningReqs: undefined,
    numWaitingReqs: undefined,
    numWaitingUncachedTokens: undefined,
    numTotalReqs: undefined,
    numUsedTokens: undefined,
    maxTotalNumTokens: undefined,
    maxRunningRequests: undefined,
    tokenUsage: undefined,
    genThroughput: undefined,
    cacheHitRate: undefined,
    utilization: undefined,
    kvTransferLatencyMs: undefined,
    kvTransferSpeedGbS: undefined,
    prefillQueueReqs: undefined,
    decodeQueueReqs: undefined,
    disaggMode: undefined,
  };
}

/**
 * Body of `GET /v1/loads` (SGLang, also other gateways): `{"version", "loads":[…one per rank]}`. Undefined: not such a
 * body. Without ranks when the engine has none to show yet.
 */
export function readLoads(body: unknown): EngineReport | undefined {
  if (!isJsonObject(body) || !Array.isArray(body.loads)) return undefined;
  const ranks: EngineRankLoad[] = [];
  for (const [index, item] of body.loads.entries()) {
    if (!isJsonObject(item)) continue;
    const rank = unknownRank(count(item.dp_rank) ?? index);
    // SGLang nests the section `disagg` where it was asked for; older versions put the fields beside the others.
    const disagg = isJsonObject(item.disaggregation)
      ? item.disaggregation
      : isJsonObject(item.disagg)
        ? item.disagg
        : item;
    for (const [key, field] of Object.entries(NUMBER_FIELDS)) rank[field] = count(item[key]);
    for (const [key, field] of Object.entries(DISAGGREGATION_FIELDS)) rank[field] = count(disagg[key]);
    const mode = disagg.mode ?? disagg.disagg_mode;
    rank.disaggMode = typeof mode === 'string' ? mode : undefined;
    ranks.push(rank);
  }
  return { version: typeof body.version === 'string' ? body.version : undefined, ranks };
}

/** Body of SGLang's older `GET /get_load`: a list with one entry per rank. It tells requests, not KV usage. */
export function readGetLoad(body: unknown): EngineReport | undefined {
  if (!Array.isArray(body)) return undefined;
  const ranks: EngineRankLoad[] = [];
  for (const [index, item] of body.entries()) {
    if (!isJsonObject(item)) return undefined;
    const rank = unknownRank(count(item.dp_rank) ?? index);
    rank.numTotalReqs = count(item.num_reqs);
    rank.numWaitingReqs = count(item.num_waiting_reqs);
    if (rank.numTotalReqs === undefined || rank.numWaitingReqs === undefined) return undefined;
    rank.numRunningReqs = Math.max(rank.numTotalReqs - rank.numWaitingReqs, 0);
    ranks.push(rank);
  }
  return { version: undefined, ranks };
}

/** Gauges that stand for one field. `required`: without it the answer says nothing. */
interface GaugeRule {
  readonly field: keyof typeof FIELD_CHECK;
  readonly names: readonly string[];
  readonly fold: 'sum' | 'mean';
  readonly required?: boolean;
}

const FIELD_CHECK = {
  numRunningReqs: true,
  numWaitingReqs: true,
  tokenUsage: true,
  genThroughput: true,
  cacheHitRate: true,
  utilization: true,
} as const satisfies Partial<Record<keyof EngineRankLoad, true>>;

const VLLM_RULES: readonly GaugeRule[] = [
  { field: 'numRunningReqs', names: ['vllm:num_requests_running'], fold: 'sum' },
  { field: 'numWaitingReqs', names: ['vllm:num_requests_waiting'], fold: 'sum' },
  {
    field: 'tokenUsage',
    names: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc'],
    fold: 'mean',
    required: true,
  },
  { field: 'cacheHitRate', names: ['vllm:gpu_prefix_cache_hit_rate'], fold: 'mean' },
];

/** The prefix is `sglang:` up to 0.5.3 and `sglang_` since; what is not there is searched for through the whole page. */
const both = (name: string): readonly string[] => [`sglang_${name}`, `sglang:${name}`];

const SGLANG_RULES: readonly GaugeRule[] = [
  { field: 'numRunningReqs', names: both('num_running_reqs'), fold: 'sum' },
  { field: 'numWaitingReqs', names: both('num_queue_reqs'), fold: 'sum' },
  { field: 'tokenUsage', names: both('token_usage'), fold: 'mean', required: true },
  { field: 'genThroughput', names: both('gen_throughput'), fold: 'mean' },
  { field: 'cacheHitRate', names: both('cache_hit_rate'), fold: 'mean' },
  { field: 'utilization', names: both('utilization'), fold: 'mean' },
];

/**
 * Load from the Prometheus page of an engine, all its series taken together as one rank. Undefined when a gauge that must
 * be there is not: that is unknown, never 0.
 */
export function readEngineMetrics(page: Buffer, runtime: WorkerRuntime): EngineReport | undefined {
  const rules = runtime === 'vllm' ? VLLM_RULES : runtime === 'sglang' ? SGLANG_RULES : undefined;
  if (rules === undefined) return undefined;
  const rank = unknownRank(0);
  for (const { field, names, fold, required } of rules) {
    const found = finiteValues(page, names);
    if (found.length > 0) rank[field] = fold === 'sum' ? sum(found) : sum(found) / found.length;
    else if (required === true) return undefined;
  }
  return { version: undefined, ranks: [rank] };
}

/** Values of the first of these metrics that has any: an engine that exports several means the same by them. */
function finiteValues(page: Buffer, names: readonly string[]): number[] {
  for (const name of names) {
    const values = readSamples(page, name).flatMap(({ value }) => (Number.isFinite(value) ? value : []));
    if (values.length > 0) return values;
  }
  return [];
}

/** Adds up a report over its ranks. */
export function createEngineLoad(
  { version, ranks }: EngineReport,
  at: { readonly receivedMs: number; readonly timestampMs: number; readonly ownInFlight: number },
): EngineLoad {
  const hasCapacity = ranks.some((rank) => (rank.maxTotalNumTokens ?? 0) > 0);
  const usages = known(ranks, 'tokenUsage');
  return Object.freeze({
    ...at,
    version,
    ranks,
    tokenUsage: usages.length === 0 ? undefined : sum(usages) / usages.length,
    runningRequests: total(ranks, 'numRunningReqs'),
    waitingRequests: total(ranks, 'numWaitingReqs'),
    waitingUncachedTokens: total(ranks, 'numWaitingUncachedTokens'),
    genThroughput: total(ranks, 'genThroughput'),
    usedTokens: hasCapacity ? total(ranks, 'numUsedTokens') : undefined,
    maxTotalTokens: hasCapacity ? total(ranks, 'maxTotalNumTokens') : undefined,
  });
}

function known(ranks: readonly EngineRankLoad[], field: Exclude<keyof EngineRankLoad, 'disaggMode'>): number[] {
  return ranks.flatMap((rank) => rank[field] ?? []);
}

function total(
  ranks: readonly EngineRankLoad[],
  field: Exclude<keyof EngineRankLoad, 'disaggMode'>,
): number | undefined {
  const values = known(ranks, field);
  return values.length === 0 ? undefined : sum(values);
}

function sum(values: readonly number[]): number {
  let result = 0;
  for (const value of values) result += value;
  return result;
}

/** A number that can be a load; engines write -1 or null for what they do not know. */
function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
