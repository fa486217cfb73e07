import type { FlagArity, FlagSpec } from './flag-spec.js';

/** Flags of one feature, `--name` or `--name|--alias`, by how many values they take. */
interface PlannedFeature {
  readonly feature: string;
  readonly none?: string;
  readonly one?: string;
  readonly many?: string;
}

/** Flags of SMG whose feature is not built. They are parsed, so that what follows is understood, and refused by name. */
const PLANNED: readonly PlannedFeature[] = [
  { feature: 'changing workers at run time', one: '--job-queue-capacity --job-queue-concurrency' },
  { feature: 'ipc:// workers', one: '--zmq-engine-count' },
  { feature: 'HTTP/2 to workers by prior knowledge', none: '--upstream-http2' },
  {
    feature: 'cache-aware and load-aware routing',
    one:
      '--cache-threshold|--cache-match-threshold --balance-abs-threshold|--spill-abs-threshold ' +
      '--balance-rel-threshold|--spill-rel-threshold --balance-token-usage-threshold --overload-token-usage-threshold ' +
      '--overlap-decay --selection-temperature --eviction-interval|--eviction-interval-secs --max-tree-size --block-size ' +
      '--cache-boundaries --cache-index --cache-ttl-secs --prefix-token-count --prefix-hash-load-factor ' +
      '--prefix-hash-balance-abs-threshold --least-load-kv-pressure-weight --least-load-default-throughput ' +
      '--least-load-mean-prefill-tokens --least-load-max-waiting-requests --kv-index --selection-policy ' +
      '--selection-accounting-ttl-ms --power-of-two-load-metric --bucket-adjust-interval-secs --worker-warmup-secs ' +
      '--worker-warmup-share --worker-warmup-blocks --worker-warmup-thin-ratio --worker-warmup-divert-every',
  },
  {
    feature: 'sticky routing',
    none: '--routing-key-override|--sticky-sessions',
    one: '--max-idle-secs|--sticky-key-idle-secs --assignment-mode',
    many: '--routing-key-headers',
  },
  {
    feature: 'disaggregated prefill and decode',
    none: '--pd-disaggregation --epd-disaggregation',
    one:
      '--prefill-policy --decode-policy --encode-policy --pd-admission-wait-secs --prefill-max-inflight-requests-per-worker ' +
      '--prefill-queue-size --prefill-queue-timeout-secs',
    many: '--prefill --decode --encode',
  },
  { feature: 'exporting the metrics of engines', none: '--engine-metrics' },
  {
    feature: 'multimodal processing',
    none: '--mm-allow-private-media-hosts --mm-pixel-rdma --log-mm-timing',
    one:
      '--multimodal-tensor-transport --multimodal-shm-min-bytes --multimodal-max-inflight-bytes --mm-processing ' +
      '--mm-per-request-image-limit --mm-pixel-cache-mb --rdma-listen-ip --rdma-slot-ttl-s',
    many: '--mm-allowed-media-domains',
  },
  {
    feature: 'service discovery',
    none: '--service-discovery',
    one:
      '--service-discovery-port --service-discovery-namespace --model-id-from ' +
      '--kv-connector-annotation --kv-engine-id-annotation',
    many: '--selector --prefill-selector --decode-selector --encode-selector --router-selector',
  },
  { feature: 'log files', one: '--log-dir' },
  { feature: 'choosing histogram buckets', many: '--prometheus-duration-buckets' },
  { feature: 'tracing', none: '--enable-trace', one: '--otlp-traces-endpoint' },
  { feature: 'keep-alive frames in idle streams', one: '--sse-keepalive-secs' },
  { feature: 'a bound on buffered request bodies', one: '--max-buffered-request-bytes' },
  {
    feature: 'the priority scheduler',
    none: '--priority-scheduler-enabled',
    one: '--priority-scheduler-default-max-class --priority-scheduler-config --priority-scheduler-tenant-metric-top-n',
  },
  {
    feature: 'token budgets of tenants',
    none: '--tenant-rate-limit-enabled',
    one: '--tenant-rate-limit-config',
  },
  {
    feature: 'tokenizers',
    none: '--disable-tokenizer-autoload --tokenizer-cache-enable-l0 --tokenizer-cache-enable-l1',
    one:
      '--model-path|--model --tokenizer-path --chat-template --tokenizer-cache-l0-max-entries ' +
      '--tokenizer-cache-l0-max-memory --tokenizer-cache-l1-max-memory',
  },
  { feature: 'output parsers', one: '--reasoning-parser --tool-call-parser --parser' },
  { feature: 'MCP', one: '--mcp-config-path' },
  {
    feature: 'storage',
    none: '--oracle-external-auth',
    one:
      '--history-backend --schema-config --storage-hook-wasm-path --oracle-wallet-path --oracle-tns-alias ' +
      '--oracle-dsn|--oracle-connect-descriptor --oracle-user|--oracle-username --oracle-password --oracle-pool-min ' +
      '--oracle-pool-max --oracle-pool-timeout-secs --postgres-db-url --postgres-pool-max-size|--postgres-pool-max ' +
      '--postgres-op-timeout-secs --redis-url --redis-pool-max-size|--redis-pool-max --redis-retention-days ' +
      '--redis-op-timeout-secs --history-memory-max-responses --history-memory-max-items --history-memory-retention-secs ' +
      '--max-background-responses',
    many: '--storage-context-headers',
  },
  { feature: 'WASM', none: '--enable-wasm' },
  {
    feature: 'control-plane auth by JWT',
    one: '--jwt-issuer --jwt-audience --jwt-jwks-uri --jwt-role-claim',
    many: '--jwt-role-mapping',
  },
  {
    feature: 'the mesh of gateways',
    none: '--enable-mesh',
    one: '--mesh-server-name --mesh-host --mesh-advertise-host --mesh-port --mesh-tls-ca-cert --mesh-tls-cert --mesh-tls-key',
    many: '--mesh-peer-urls',
  },
  { feature: 'realtime over WebRTC', one: '--webrtc-bind-addr --webrtc-stun-server' },
  { feature: 'several processes', one: '--runtime-worker-threads' },
  { feature: 'control of RL training', none: '--enable-rl', one: '--rl-control-timeout-secs --rl-fanout-concurrency' },
  { feature: 'heap profiles by flag', one: '--jemalloc-prof-dir' },
];

const REMOVED = ['--kv-indexer-ttl-secs', '--kv-indexer-max-entries', '--stream-request-bodies-over'];

function flagsOf({ feature, none, one, many }: PlannedFeature): FlagSpec[] {
  const make = (names: string | undefined, takes: FlagArity): FlagSpec[] =>
    (names ?? '')
      .split(' ')
      .filter(Boolean)
      .map((text) => {
        const [name, ...aliases] = text.split('|') as [string, ...string[]];
        return { name, aliases, group: 'Not built yet', takes, help: feature, status: 'planned' };
      });
  return [...make(none, 'none'), ...make(one, 'one'), ...make(many, 'many')];
}

/** `help` names the feature that is missing. */
export const PLANNED_FLAGS: readonly FlagSpec[] = [
  ...PLANNED.flatMap(flagsOf),
  ...REMOVED.map(
    (name): FlagSpec => ({ name, group: 'Removed', takes: 'one', help: 'gone since SMG 1.13', status: 'removed' }),
  ),
];
