/**
 * Keys of the full design that do not exist yet, as patterns over paths (`*` one step, lists count as one). They are
 * refused with a message of their own: the key is right, the gateway cannot do it yet.
 */
const NOT_BUILT_KEYS: readonly string[] = [
  'tokenizers',
  'parsers',
  'multimodal',
  'routing',
  'limits.priority',
  'limits.tenants.*.tokens',
  'limits.tenants.*.models',
  'filters.*.config.tenants.*.tokens',
  'filters.*.config.tenants.*.models',
  'storage',
  'mcp',
  'realtime',
  'mesh',
  'responses',
  'rl',
  'listeners.*.http',
  'listeners.*.filters',
  'listeners.*.timeouts',
  'listeners.*.sse_keepalive',
  'listeners.*.limits.stream_body_over',
  'listeners.*.limits.stream_stall_timeout',
  'listeners.*.limits.buffer_for_retry',
  'routes.*.rewrite',
  'clusters.*.prefill',
  'clusters.*.decode',
  'clusters.*.encode',
  'clusters.*.policies',
  'clusters.*.retry',
  'clusters.*.http2',
  'clusters.*.zmq',
  'clusters.*.pd',
  'clusters.*.workers.*.bootstrap_port',
  'models.*.tokenizer',
  'models.*.parsers',
  'models.*.defaults',
  'auth.admin.jwt',
  'filters.*.config.admin.jwt',
  'telemetry.traces',
  'telemetry.logs.file',
  'telemetry.metrics.otlp',
  'telemetry.metrics.engine',
  'telemetry.metrics.buckets',
  'telemetry.metrics.cardinality',
  'admin.jobs',
  'admin.reload.strict',
  'admin.reload.force_after',
  'runtime.processes',
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

/** Discoveries of the full design. */
export const PLANNED_DISCOVERIES: readonly string[] = ['kubernetes'];

const patterns = NOT_BUILT_KEYS.map((text) => text.split('.'));

/** Whether the key at this path belongs to the design but is not built. */
export function isPlannedKey(path: readonly (string | number)[]): boolean {
  return patterns.some(
    (pattern) => pattern.length === path.length && pattern.every((step, at) => step === '*' || step === path[at]),
  );
}
