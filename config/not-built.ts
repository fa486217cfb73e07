/**
 * Keys of the full design that do not exist yet, as patterns over paths (`*` one step, lists count as one). They are
 * refused with a message of their own: the key is right, the gateway cannot do it yet.
 */
const NOT_BUILT_KEYS: readonly string[] = [
  'providers',
  'tokenizers',
  'parsers',
  'multimodal',
  'routing',
  'limits',
  'tenants',
  'storage',
  'mcp',
  'realtime',
  'mesh',
  'responses',
  'rl',
  'listeners.*.kind',
  'listeners.*.http',
  'listeners.*.filters',
  'listeners.*.timeouts',
  'listeners.*.sse_keepalive',
  'listeners.*.limits.stream_body_over',
  'listeners.*.limits.stream_stall_timeout',
  'listeners.*.limits.buffer_for_retry',
  'routes.*.fallback',
  'routes.*.retry',
  'routes.*.rewrite',
  'routes.*.match.tenants',
  'routes.*.match.methods',
  'routes.*.match.any',
  'filters.*.match.tenants',
  'filters.*.match.any',
  'clusters.*.prefill',
  'clusters.*.decode',
  'clusters.*.encode',
  'clusters.*.provider',
  'clusters.*.url',
  'clusters.*.pass_through',
  'clusters.*.discovery',
  'clusters.*.policies',
  'clusters.*.retry',
  'clusters.*.circuit_breaker',
  'clusters.*.http2',
  'clusters.*.tls',
  'clusters.*.load',
  'clusters.*.dp',
  'clusters.*.zmq',
  'clusters.*.startup',
  'clusters.*.pd',
  'clusters.*.health.remove_failed',
  'clusters.*.workers.*.bootstrap_port',
  'models.*',
  'resilience.overload',
  'resilience.drain',
  'resilience.liveness',
  'resilience.circuit_breaker.*',
  'resilience.health.remove_failed',
  'auth.admin',
  'telemetry.traces',
  'telemetry.logs.file',
  'telemetry.metrics.otlp',
  'telemetry.metrics.engine',
  'telemetry.metrics.buckets',
  'telemetry.metrics.cardinality',
  'admin.listener',
  'admin.jobs',
  'admin.reload.strict',
  'admin.reload.force_after',
  'runtime.processes',
  'runtime.shutdown.settle',
  'plugins.*.config',
];

/** Routing policies of the full design. */
export const PLANNED_POLICIES: readonly string[] = [
  'cache_aware',
  'least_load',
  'prefix_hash',
  'consistent_hashing',
  'manual',
  'bucket',
  'passthrough',
];

const patterns = NOT_BUILT_KEYS.map((text) => text.split('.'));

/** Whether the key at this path belongs to the design but is not built. */
export function isPlannedKey(path: readonly (string | number)[]): boolean {
  return patterns.some(
    (pattern) => pattern.length === path.length && pattern.every((step, at) => step === '*' || step === path[at]),
  );
}
