import type { EngineLoad, EngineRankLoad } from '../api/worker.js';

/** The last report of an engine as the worker API shows it: SMG's `engine_load`. What was not reported is left out. */
export function describeEngineLoad(load: EngineLoad): object {
  return {
    timestamp: new Date(load.timestampMs).toISOString(),
    ...(load.version === undefined ? {} : { version: load.version }),
    dp_rank_count: load.ranks.length,
    loads: load.ranks.map(describeRankLoad),
  };
}

/** One rank of a report, in the spelling of SGLang's `/v1/loads`. What was not reported is left out. */
export function describeRankLoad(rank: EngineRankLoad): Record<string, unknown> {
  return {
    dp_rank: rank.dpRank,
    num_running_reqs: rank.numRunningReqs,
    num_waiting_reqs: rank.numWaitingReqs,
    num_waiting_uncached_tokens: rank.numWaitingUncachedTokens,
    num_total_reqs: rank.numTotalReqs,
    num_used_tokens: rank.numUsedTokens,
    max_total_num_tokens: rank.maxTotalNumTokens,
    token_usage: rank.tokenUsage,
    gen_throughput: rank.genThroughput,
    cache_hit_rate: rank.cacheHitRate,
    utilization: rank.utilization,
    max_running_requests: rank.maxRunningRequests,
    kv_transfer_latency_ms: rank.kvTransferLatencyMs,
    kv_transfer_speed_gb_s: rank.kvTransferSpeedGbS,
    prefill_queue_reqs: rank.prefillQueueReqs,
    decode_queue_reqs: rank.decodeQueueReqs,
    disagg_mode: rank.disaggMode,
  };
}
